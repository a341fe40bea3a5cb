// What a Bulkhead function finds beside the language and the Web's APIs: the
// platform APIs, as far as the tenant's policy allows them, and the forms that
// a function can have. The Web's APIs are those of TypeScript's own library
// "webworker". `supervisor apis --types` prints this with an operator's own APIs.

/** The forms of a function's default export. */
declare namespace Bulkhead {
  /** A function of an event. What it returns, or its promise's value, is the result. */
  type Handler<Event = any, Result = unknown> = (event: Event) => Result | Promise<Result>;

  /** An object with a fetch method, as for Workers. */
  interface FetchHandler<Env = Record<string, string>> {
    fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
  }

  interface ExecutionContext {
    /** Goes on with what the promise stands for after the response is sent. */
    waitUntil(promise: Promise<unknown>): void;
  }

  interface KV {
    /** The value of a key as it was put, or undefined. */
    get<T = unknown>(key: string): Promise<T | undefined>;
    getWithVersion<T = unknown>(key: string): Promise<{ value: T; version: number; expires?: number } | undefined>;
    /**
     * Sets a key to any value that crosses, of at most 64 KiB. Throws a
     * ConflictError when ifVersion or ifAbsent does not hold, and a
     * QuotaExceededError when there is no room.
     */
    put(key: string, value: unknown, options?: KVPutOptions): Promise<{ version: number }>;
    /** Deletes a key; true if it was there. */
    delete(key: string, options?: { ifVersion?: number }): Promise<boolean>;
    /** Lists keys in the order of their bytes, without values. */
    list(options?: KVListOptions): Promise<KVList>;
  }

  interface KVPutOptions {
    /** Seconds until it is gone. */
    ttl?: number;
    ifVersion?: number;
    ifAbsent?: boolean;
  }

  interface KVListOptions {
    prefix?: string;
    /** 1 to 1,000; default 100. */
    limit?: number;
    cursor?: string;
  }

  interface KVList {
    keys: { key: string; version: number; expires?: number }[];
    /** Where the next page begins, if there is one. */
    cursor?: string;
  }

  type SQLValue = null | number | bigint | string | boolean | Date | Uint8Array | ArrayBuffer;
  /** Values for ?, or for @name by their names. */
  type SQLParams = readonly SQLValue[] | Readonly<Record<string, SQLValue>> | null;

  interface SQLResult {
    changes: number;
    /** null when no row was inserted. */
    lastInsertRowid: number | bigint | null;
  }

  interface Transaction {
    query<Row = Record<string, any>>(sql: string, params?: SQLParams): Promise<Row[]>;
    exec(sql: string, params?: SQLParams): Promise<SQLResult>;
  }

  interface DB extends Transaction {
    /** The rows that one statement returns. */
    query<Row = Record<string, any>>(sql: string, params?: SQLParams): Promise<Row[]>;
    /** What one statement changed. */
    exec(sql: string, params?: SQLParams): Promise<SQLResult>;
    /** Up to 1,000 statements, all or none: the rows of each, or what it changed. */
    batch(statements: readonly (string | { sql: string; params?: SQLParams })[]): Promise<(Record<string, any>[] | SQLResult)[]>;
    /** Runs the callback in a transaction, which is rolled back when it throws. */
    transaction<T>(callback: (tx: Transaction) => T | Promise<T>): Promise<T>;
  }

  interface StorageObject {
    key: string;
    /** Bytes. */
    size: number;
    /** Milliseconds since 1970. */
    uploaded: number;
    etag: string;
    contentType?: string;
    metadata: Record<string, string>;
  }

  interface StorageBody extends StorageObject {
    readonly body: ReadableStream<Uint8Array>;
    text(): Promise<string>;
    json<T = any>(): Promise<T>;
    bytes(): Promise<Uint8Array>;
    arrayBuffer(): Promise<ArrayBuffer>;
    blob(): Promise<Blob>;
  }

  interface StoragePutOptions {
    contentType?: string;
    /** Names in lower case; 2 KiB in all. */
    metadata?: Record<string, string>;
    /** Of a stream: how long it is, in bytes. */
    size?: number;
  }

  interface Storage {
    put(key: string, body: string | ArrayBuffer | ArrayBufferView | Blob | FormData | URLSearchParams | ReadableStream, options?: StoragePutOptions): Promise<StorageObject>;
    get(key: string, options?: { range?: { offset?: number; length?: number } }): Promise<StorageBody | undefined>;
    head(key: string): Promise<StorageObject | undefined>;
    /** Deletes an object; true if it was there. */
    delete(key: string): Promise<boolean>;
    list(options?: { prefix?: string; delimiter?: string; limit?: number; cursor?: string }): Promise<{
      objects: { key: string; size: number; uploaded: number }[];
      prefixes: string[];
      cursor?: string;
    }>;
  }

  interface Queue {
    /** Puts a message into a queue, which is there when something is sent to it. delay is in seconds. */
    send(queue: string, message: unknown, options?: { delay?: number }): Promise<{ id: string }>;
  }

  interface Secrets {
    /** A placeholder for a secret, which fetch replaces in headers on the way to the secret's hosts. */
    get(name: string): string;
  }

  interface Env {
    /** The value of a variable, or undefined. */
    get(name: string): string | undefined;
    all(): Record<string, string>;
  }
}

declare const kv: Bulkhead.KV;
declare const db: Bulkhead.DB;
declare const storage: Bulkhead.Storage;
declare const queue: Bulkhead.Queue;
declare const secrets: Bulkhead.Secrets;
declare const env: Bulkhead.Env;

/** Calls another function of the same tenant. timeout is in seconds. */
declare function invoke<T = any>(name: string, event?: unknown, options?: { timeout?: number }): Promise<T>;

/** Writes a line to the invocation's log, as console.log does. */
declare function log(...values: unknown[]): Promise<void>;

/** @deprecated An older name of db.query. */
declare function db_query<Row = Record<string, any>>(sql: string, params?: Bulkhead.SQLParams): Promise<Row[]>;

/** What a host call throws that the policy denies. */
declare class PermissionError extends Error {
  readonly api: string;
  readonly policy: string;
}

// What is imported as text.
declare module '*.txt' { const text: string; export default text; }
declare module '*.md' { const text: string; export default text; }
declare module '*.html' { const text: string; export default text; }
declare module '*.css' { const text: string; export default text; }
declare module '*.sql' { const text: string; export default text; }
declare module '*.graphql' { const text: string; export default text; }
