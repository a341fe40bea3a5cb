package worker

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"unicode/utf8"

	"modernc.org/sqlite"
)

// registerTrims replaces trim, ltrim and rtrim with two arguments, whose time
// is the product of both lengths in SQLite.
func registerTrims(d *sqlite.Driver) {
	for name, sides := range map[string][2]bool{"trim": {true, true}, "ltrim": {true, false}, "rtrim": {false, true}} {
		err := d.RegisterDeterministicScalarFunction(name, 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			if args[0] == nil || args[1] == nil {
				return nil, nil
			}
			return trim(asText(args[0]), asText(args[1]), sides[0], sides[1]), nil
		})
		if err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

func trim(s, cutset string, left, right bool) string {
	cut := make(map[rune]bool)
	for _, r := range cutset {
		cut[r] = true
	}
	for left && s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if !cut[r] {
			break
		}
		s = s[n:]
	}
	for right && s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		if !cut[r] {
			break
		}
		s = s[:len(s)-n]
	}
	return s
}

func asText(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprint(v)
}
