package bundle

import "context"

// Options say how to bundle. The zero value is the usual way.
type Options struct {
	// Minify makes the code shorter: white space, syntax and local names.
	Minify bool
	// Test, if set, makes a function that runs the tests in the file: see
	// [Tests].
	Test *Tests
}

// Result is a function that can be deployed.
type Result struct {
	Code string
	// SourceMap is the code's source map, or empty when Code is the file as
	// it is.
	SourceMap string
	// Inputs are the files that went into the code, the largest part first.
	// It is empty when Code is the file as it is.
	Inputs []Input
	// Warnings are what looks wrong, but does not stop the build.
	Warnings []Message
}

// Input is a file's part of the code.
type Input struct {
	Path  string `json:"path"`
	Bytes int    `json:"bytes"`
}

// Build makes the code of the function at path: a file (.js, .mjs, .cjs, .jsx,
// .ts, .mts, .cts, .tsx), or a folder with a package.json. A .js or .mjs file
// that imports nothing is taken as it is. Everything else becomes one ES
// module with what it imports.
//
// The error is an *Error when the files are at fault, or the context's.
func Build(ctx context.Context, path string, o Options) (*Result, error) {
	s := NewSession(path, o)
	defer s.Close()
	return s.Build(ctx)
}
