package main

import "strings"

// isCases reports whether a file holds the cases of a policy, which lie beside
// it: webhook.test.yaml beside webhook.yaml.
func isCases(path string) bool {
	return strings.HasSuffix(path, ".test.yaml") || strings.HasSuffix(path, ".test.yml")
}
