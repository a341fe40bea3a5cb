declare module 'examples:' {
  const files: Record<string, string>;
  export default files;
}
