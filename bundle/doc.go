// Package bundle turns what people write, TypeScript and modules that import
// npm packages, into the one file of JavaScript that a function is.
//
// It runs in the client, before a deploy, on the user's own files and with the
// user's own rights: it reads what the entry imports, node_modules included,
// and runs none of it. The work is esbuild's; this package chooses its
// settings to match the sandbox's engine, brings small replacements for the
// Node built-ins that pure packages need (shims), and says clearly what
// cannot work. It never fetches anything, and never runs in a supervisor:
// source that nests deeply enough would kill the process.
package bundle
