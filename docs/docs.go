// Package docs holds the documentation, which `supervisor help` shows.
package docs

import "embed"

// Pages holds the pages (*.md).
//
//go:embed *.md
var Pages embed.FS
