// TypeScript becomes JavaScript in the browser: the server takes JavaScript
// alone, for a compiler is not to read a stranger's text in its process. Types
// go and every line stays where it was, so that an error's line is the source's.

import { transform } from 'sucrase';

export class SyntaxFault extends Error {
  constructor(message: string, readonly line: number, readonly column: number) { super(message); }
}

export function strip(source: string): string {
  try {
    return transform(source, { transforms: ['typescript'], disableESTransforms: true, keepUnusedImports: true }).code;
  } catch (e) {
    const at = (e as { loc?: { line: number; column: number } }).loc;
    const text = e instanceof Error ? e.message.replace(/^Error transforming [^:]*: /, '').replace(/ \(\d+:\d+\)$/, '') : String(e);
    throw new SyntaxFault(text, at?.line ?? 1, at?.column ?? 1);
  }
}
