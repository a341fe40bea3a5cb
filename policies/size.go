package policies

import (
	"math"
	"regexp"
	"strconv"
)

var (
	sizePattern = regexp.MustCompile(`^([0-9]{1,18}) ?(B|KiB|MiB|GiB|TiB)?$`)
	sizeUnits   = []string{"B", "KiB", "MiB", "GiB", "TiB"}
)

// parseSize reads "64KiB" or a number of bytes.
func parseSize(s string) (int64, bool) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	for _, unit := range sizeUnits {
		if unit == m[2] || m[2] == "" {
			return n, true
		}
		if n > math.MaxInt64>>10 {
			return 0, false
		}
		n <<= 10
	}
	return n, true
}

// formatSize writes a size in the largest unit that divides it.
func formatSize(n int64) string {
	unit := 0
	for n != 0 && n%1024 == 0 && unit < len(sizeUnits)-1 {
		n, unit = n>>10, unit+1
	}
	return strconv.FormatInt(n, 10) + sizeUnits[unit]
}
