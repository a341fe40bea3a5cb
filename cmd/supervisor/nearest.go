package main

import (
	"strings"

	"github.com/xrash/smetrics"
)

// nearest returns the one of names that got was probably meant to be, or "".
func nearest(got string, names []string) string {
	const enough = 0.8
	if got = strings.ToLower(got); len(got) > 128 {
		return ""
	}
	best, likeness := "", 0.0
	for _, name := range names {
		like := smetrics.JaroWinkler(got, name, 0.7, 4)
		if smetrics.WagnerFischer(got, name, 1, 1, 1) == 1 && len(name) > 1 {
			like = max(like, enough) // one letter of a short name
		}
		if like >= enough && like > likeness {
			best, likeness = name, like
		}
	}
	return best
}
