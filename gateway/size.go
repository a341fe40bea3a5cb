package gateway

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// ParseSize reads a number of bytes: "5MiB", "512KiB", "1.5 MB" or "1048576".
// Units with an i count by 1024, those without by 1000.
func ParseSize(s string) (int64, error) {
	// go-humanize skips commas, which would make "1,5MiB" 15 MiB.
	if strings.Contains(s, ",") {
		return 0, sizeError(s)
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 {
		return 0, sizeError(s)
	}
	return int64(n), nil
}

func sizeError(s string) error {
	return fmt.Errorf("%q is not a size; write it like 5MiB, 512KiB or 1048576 (bytes)", s)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write it like 300ms or 5s", s)
	}
	return d, nil
}

// FormatSize writes a number of bytes so that ParseSize reads the same number
// back: in the largest binary unit that divides it.
func FormatSize(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d%s", n, units[i])
}
