package db

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	maxSQL    = 100_000 // bytes of one statement
	maxParams = 10_000
)

// argument returns argument i; one that is missing, null or undefined is nil.
func argument(args []any, i int) any {
	if i >= len(args) || args[i] == value.Undefined {
		return nil
	}
	return args[i]
}

func parseStatement(api string, sql, params any) (Statement, error) {
	text, ok := sql.(string)
	switch {
	case !ok:
		return Statement{}, platform.TypeErrorf("%s needs an SQL statement, a string", api)
	case len(text) > maxSQL:
		return Statement{}, platform.TypeErrorf("the statement has %d bytes; at most %d are allowed", len(text), maxSQL)
	case strings.ContainsRune(text, 0):
		return Statement{}, platform.TypeErrorf("the statement holds a NUL character")
	}
	list, err := parseParams(params)
	return Statement{SQL: valid(text), Params: list}, err
}

func parseBatch(v any) ([]Statement, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, platform.TypeErrorf("db.batch needs an array of statements")
	}
	if len(list) > MaxBatch {
		return nil, platform.TypeErrorf("db.batch got %d statements; at most %d are allowed", len(list), MaxBatch)
	}
	statements := make([]Statement, len(list))
	for i, v := range list {
		var params any
		if o, ok := v.(*value.Object); ok {
			v, _ = o.Get("sql")
			if params, _ = o.Get("params"); params == value.Undefined {
				params = nil
			}
		}
		var err error
		if statements[i], err = parseStatement("db.batch", v, params); err != nil {
			return nil, inBatch(i, err)
		}
	}
	return statements, nil
}

// inBatch says which statement of a batch failed.
func inBatch(i int, err error) error {
	known, ok := err.(*platform.Error)
	if !ok {
		return err
	}
	told := *known
	told.Message = "statement " + strconv.Itoa(i+1) + ": " + known.Message
	return &told
}

// parseParams reads the params: an array, by position, or an object, by name.
func parseParams(v any) ([]Param, error) {
	var params []Param
	add := func(name, shown string, v any) error {
		p, err := parseParam(v)
		if err != nil {
			return platform.TypeErrorf("param %s %w", shown, err)
		}
		params = append(params, Param{Name: name, Value: p})
		return nil
	}
	switch v := v.(type) {
	case nil:
	case []any:
		for i, e := range v {
			if err := add("", strconv.Itoa(i+1), e); err != nil {
				return nil, err
			}
		}
	case *value.Object:
		for name, e := range v.All() {
			bare := strings.TrimLeft(name, ":@$")
			if bare == "" || len(name)-len(bare) > 1 {
				return nil, platform.TypeErrorf("params: %.100q is not the name of a parameter", name)
			}
			if err := add(valid(bare), strconv.Quote(name), e); err != nil {
				return nil, err
			}
		}
	default:
		return nil, platform.TypeErrorf("argument 2 (params) must be an array or an object")
	}
	if len(params) > maxParams {
		return nil, platform.TypeErrorf("%d params; at most %d are allowed", len(params), maxParams)
	}
	return params, nil
}

type paramError string

func (e paramError) Error() string { return string(e) }

func parseParam(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		return valid(v), nil
	case float64:
		switch {
		case math.IsNaN(v):
			return nil, paramError("is NaN, which no database stores; pass null")
		case v == math.Trunc(v) && math.Abs(v) <= maxSafe && !(v == 0 && math.Signbit(v)):
			return int64(v), nil
		}
		return v, nil
	case *big.Int:
		if !v.IsInt64() {
			return nil, paramError("is a BigInt of over 64 bits; pass it as a string")
		}
		return v.Int64(), nil
	case []byte:
		return v, nil
	case value.ArrayBuffer:
		return []byte(v), nil
	case *value.TypedArray:
		return v.Bytes, nil
	case time.Time:
		return nil, paramError("is a Date; pass date.toISOString() or date.getTime()")
	}
	return nil, paramError("must be null, a boolean, a number, a BigInt, a string, a Uint8Array or an ArrayBuffer")
}

// valid makes a text what databases store: a lone surrogate becomes U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
