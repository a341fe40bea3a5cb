// Package examples holds functions and a configuration to start from. The demo
// deploys the functions; tests decode the configuration.
package examples

import "embed"

// Files holds the functions (*.js) and bulkhead.yaml.
//
//go:embed *.js bulkhead.yaml
var Files embed.FS
