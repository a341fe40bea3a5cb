package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var rateUnits = []struct {
	suffix  string
	seconds float64
}{{"/s", 1}, {"/m", 60}, {"/h", 3600}}

// ParseRate reads how often something may happen, "100/s", "6000/m" or
// "1000/h", and returns how often that is in a second.
func ParseRate(s string) (float64, error) {
	for _, u := range rateUnits {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil || !(n > 0) || n/u.seconds > 1e6 {
				break
			}
			return n / u.seconds, nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a rate; write it like 100/s, 6000/m or 1000/h, up to 1000000/s", s)
}

// FormatRate writes a rate as ParseRate reads it, in the unit that makes it a
// whole number if there is one. It returns "" for 0.
func FormatRate(r float64) string {
	if r == 0 {
		return ""
	}
	for _, u := range rateUnits {
		if n := r * u.seconds; math.Abs(n-math.Round(n)) < 1e-9*n && math.Round(n) > 0 {
			return strconv.FormatFloat(math.Round(n), 'f', -1, 64) + u.suffix
		}
	}
	return strconv.FormatFloat(r, 'g', -1, 64) + "/s"
}

func rateField(into *float64) field {
	return func(raw json.RawMessage) (err error) {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return errors.New(`must be a rate in a string: "100/s"`)
		}
		*into, err = ParseRate(s)
		return err
	}
}

func timeField(into *time.Time) field {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil {
			return errors.New(`must be a time in a string: "2030-01-01T00:00:00Z"`)
		}
		return nil
	}
}
