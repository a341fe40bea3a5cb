// What tests are written with: `supervisor test` runs them.

declare module 'bulkhead:test' {
  interface TestOptions {
    only?: boolean;
    skip?: boolean | string;
    todo?: boolean | string;
    /** Milliseconds; default 5,000, or supervisor test --timeout. */
    timeout?: number;
  }

  interface TestContext {
    readonly name: string;
    skip(reason?: string): void;
    todo(reason?: string): void;
    /** Adds a note to the report. */
    diagnostic(message: string): void;
    /** Runs a test inside of this one. */
    test: TestFunction<Promise<void>>;
    readonly stub: typeof stub;
    readonly assert: typeof assert;
  }

  type Body = (t: TestContext) => unknown;

  interface TestFunction<R = void> {
    (name: string, body?: Body): R;
    (name: string, options: TestOptions, body?: Body): R;
  }

  interface Test extends TestFunction {
    only: TestFunction;
    skip: TestFunction;
    todo: TestFunction;
  }

  interface SuiteFunction {
    (name: string, body?: () => void): void;
    (name: string, options: TestOptions, body?: () => void): void;
  }

  interface Suite extends SuiteFunction {
    only: SuiteFunction;
    skip: SuiteFunction;
    todo: SuiteFunction;
  }

  export const test: Test;
  export const it: Test;
  export const describe: Suite;
  export const suite: Suite;
  export default test;

  /** Once, before the first test of the suite; before of the file when outside of one. */
  export function before(hook: () => unknown): void;
  export function after(hook: () => unknown): void;
  export function beforeAll(hook: () => unknown): void;
  export function afterAll(hook: () => unknown): void;
  export function beforeEach(hook: (t: TestContext) => unknown): void;
  export function afterEach(hook: (t: TestContext) => unknown): void;

  /** node:assert, as far as typescript-and-npm.md lists it. */
  export const assert: {
    (value: unknown, message?: string | Error): asserts value;
    ok(value: unknown, message?: string | Error): asserts value;
    fail(message?: string | Error): never;
    equal(actual: unknown, expected: unknown, message?: string | Error): void;
    notEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    strictEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    notStrictEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    deepEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    notDeepEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    deepStrictEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    notDeepStrictEqual(actual: unknown, expected: unknown, message?: string | Error): void;
    match(text: string, form: RegExp, message?: string | Error): void;
    doesNotMatch(text: string, form: RegExp, message?: string | Error): void;
    throws(f: () => unknown, expected?: unknown, message?: string): void;
    doesNotThrow(f: () => unknown, message?: string): void;
    rejects(promise: Promise<unknown> | (() => Promise<unknown>), expected?: unknown, message?: string): Promise<void>;
    doesNotReject(promise: Promise<unknown> | (() => Promise<unknown>), message?: string): Promise<void>;
    ifError(value: unknown): void;
  };

  interface Matchers<R = void> {
    toBe(expected: unknown): R;
    toEqual(expected: unknown): R;
    toStrictEqual(expected: unknown): R;
    toMatchObject(expected: unknown): R;
    toBeTruthy(): R;
    toBeFalsy(): R;
    toBeNull(): R;
    toBeUndefined(): R;
    toBeDefined(): R;
    toBeNaN(): R;
    toBeInstanceOf(expected: new (...args: any[]) => unknown): R;
    toBeGreaterThan(expected: number | bigint): R;
    toBeGreaterThanOrEqual(expected: number | bigint): R;
    toBeLessThan(expected: number | bigint): R;
    toBeLessThanOrEqual(expected: number | bigint): R;
    toBeCloseTo(expected: number, digits?: number): R;
    toContain(expected: unknown): R;
    toContainEqual(expected: unknown): R;
    toHaveLength(expected: number): R;
    toHaveProperty(path: string | string[], value?: unknown): R;
    toMatch(expected: string | RegExp): R;
    /** The message contains the text or matches, or the error is of the class or like the object. */
    toThrow(expected?: string | RegExp | (new (...args: any[]) => unknown) | object): R;
    /** Of a stub. */
    toHaveBeenCalled(): R;
    toHaveBeenCalledTimes(times: number): R;
    toHaveBeenCalledWith(...args: unknown[]): R;
  }

  interface Expectation extends Matchers {
    not: Matchers;
    /** The promise's value. */
    resolves: Matchers<Promise<void>> & { not: Matchers<Promise<void>> };
    /** What the promise is rejected with. */
    rejects: Matchers<Promise<void>> & { not: Matchers<Promise<void>> };
  }

  export const expect: {
    (actual: unknown): Expectation;
    any(type: new (...args: any[]) => unknown): any;
    anything(): any;
    stringContaining(text: string): any;
    stringMatching(form: string | RegExp): any;
    objectContaining(members: object): any;
    arrayContaining(items: unknown[]): any;
  };

  /** What was called of a stub, and how. */
  interface Stub {
    readonly name: string;
    /** The arguments of each call. */
    readonly calls: any[][];
    readonly called: boolean;
    restore(): void;
  }

  /** A stub of several APIs: each call is its member's name and the arguments. */
  interface GroupStub {
    readonly calls: [string, ...any[]][];
    restore(): void;
  }

  type Answer = Response | string | object | ((request: Request) => Answer | Promise<Answer>);

  /**
   * Answers the calls of a platform API, by a function or with a value. What a
   * test stubs ends with it; what before or the file stubs ends with the suite
   * or the file.
   */
  export const stub: {
    (api: string, implementation?: unknown): Stub;
    /** Keys in memory. */
    kv(entries?: Record<string, unknown>): GroupStub & { get(key: string): any; entries(): Record<string, any> };
    env(variables?: Record<string, string>): GroupStub;
    secrets(values?: Record<string, string>): GroupStub;
    queue(): GroupStub & { readonly messages: { queue: string; message: any; options?: { delay?: number } }[] };
    storage(objects?: Record<string, BodyInit>): GroupStub & { text(key: string): string | undefined };
    /** Every statement is put to the function: it returns rows, or {changes, lastInsertRowid}. */
    db(answer: (sql: string, params: any) => unknown): GroupStub;
    invoke(functions: Record<string, unknown>): GroupStub;
    /** By URL: 'https://...' or 'POST https://...'; * at the end stands for anything. */
    fetch(routes: Record<string, Answer>): Stub;
  };
}
