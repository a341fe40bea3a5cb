declare module 'examples:' {
  const files: Record<string, string>;
  export default files;
}
declare module 'completions:' {
  /** Signature, documentation, type of the value or of what a call returns: see completions.mjs; of a class, the type of what it makes. */
  type Entry = [signature: string, doc: string, type: string, makes?: string];
  const data: { globals: Record<string, Entry>; types: Record<string, Record<string, Entry>> };
  export default data;
}
