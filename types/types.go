// Package types holds the TypeScript declarations of what functions find: the
// platform APIs, the forms of a function, and bulkhead:test. The folder is also
// an npm package.
package types

import _ "embed"

// Functions declares what functions find.
//
//go:embed index.d.ts
var Functions string

// Tests declares bulkhead:test.
//
//go:embed test.d.ts
var Tests string
