package bundle

import "fmt"

// maxDepth is how deep brackets, and runs of prefix operators, may nest. No
// code that people wrote or a tool generated comes near, and esbuild's stack,
// which nothing can bound, holds a hundred times that.
const maxDepth = 2000

// checkSource refuses text that would exhaust esbuild's stack. It does not
// know strings from code, so it counts too much rather than too little.
func checkSource(source string) error {
	depth, run, line := 0, 0, 1
	for i := range len(source) {
		switch source[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '!', '~':
			run++
		case '\n':
			line++
		case ' ', '\t', '\r':
		default:
			run = 0
		}
		if depth > maxDepth || run > maxDepth {
			return fmt.Errorf("its brackets or operators nest more than %d deep (line %d)", maxDepth, line)
		}
	}
	return nil
}
