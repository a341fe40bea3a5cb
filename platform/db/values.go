package db

import (
	"bytes"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/bulkhead-run/bulkhead/platform"
)

// maxSafe is the largest integer that a JavaScript number holds exactly.
const maxSafe = 1<<53 - 1

func safeInteger(n int64) bool { return n >= -maxSafe && n <= maxSafe }

// blob is how a BLOB crosses as JSON.
type blob struct {
	Base64 *string `json:"base64"`
}

func parseParams(data json.RawMessage) ([]driver.NamedValue, error) {
	data = bytes.TrimSpace(data)
	var params []driver.NamedValue
	switch {
	case len(data) == 0 || string(data) == "null":
	case data[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, platform.TypeErrorf("argument 2 (params) is not valid JSON")
		}
		for i, raw := range list {
			v, ok := parseValue(raw)
			if !ok {
				return nil, wrongValue(strconv.Itoa(i + 1))
			}
			params = append(params, driver.NamedValue{Ordinal: i + 1, Value: v})
		}
	case data[0] == '{':
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, platform.TypeErrorf("argument 2 (params) is not valid JSON")
		}
		for name, raw := range object {
			v, ok := parseValue(raw)
			if !ok {
				return nil, wrongValue(strconv.Quote(name))
			}
			if len(name) > 1 && (name[0] == ':' || name[0] == '@' || name[0] == '$') {
				name = name[1:]
			}
			// Beyond every number a statement may use, so that ?1 finds none.
			params = append(params, driver.NamedValue{Ordinal: maxParams + 1 + len(params), Name: name, Value: v})
		}
	default:
		return nil, platform.TypeErrorf("argument 2 (params) must be an array or an object")
	}
	if len(params) > maxParams {
		return nil, platform.TypeErrorf("%d params; at most %d are allowed", len(params), maxParams)
	}
	return params, nil
}

func wrongValue(which string) error {
	return platform.TypeErrorf("param %s must be null, a boolean, a number, a string or {base64: \"...\"}", which)
}

func parseValue(raw json.RawMessage) (driver.Value, bool) {
	switch {
	case len(raw) == 0:
		return nil, false
	case raw[0] == '{':
		var b blob
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if dec.Decode(&b) != nil || b.Base64 == nil {
			return nil, false
		}
		data, err := base64.StdEncoding.DecodeString(*b.Base64)
		return data, err == nil
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return n, true
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		return f, err == nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case nil, string:
		return v, true
	case bool:
		if v {
			return int64(1), true
		}
		return int64(0), true
	}
	return nil, false
}

// resultWriter encodes rows as JSON within the limits.
type resultWriter struct {
	o     Options
	names []string
	keys  [][]byte
	count int
	out   bytes.Buffer
}

func newResultWriter(columns []string, o Options) *resultWriter {
	w := &resultWriter{o: o, names: columns}
	for _, c := range columns {
		key, _ := json.Marshal(c) // a string always can be
		w.keys = append(w.keys, append(key, ':'))
	}
	w.out.WriteByte('[')
	return w
}

func (w *resultWriter) row(values []driver.Value) error {
	if w.count == w.o.MaxRows {
		return databaseError("ERR_TOO_MANY_ROWS", "the result has more than %d rows; add a LIMIT", w.o.MaxRows)
	}
	if w.count > 0 {
		w.out.WriteByte(',')
	}
	w.count++
	w.out.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.out.Write(w.keys[i])
		if err := w.value(w.names[i], v); err != nil {
			return err
		}
		if w.out.Len() > w.o.MaxResult {
			return databaseError("ERR_RESULT_TOO_LARGE", "the result is over %d bytes; select less", w.o.MaxResult)
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *resultWriter) value(column string, v driver.Value) error {
	switch n := v.(type) {
	case int64:
		if !safeInteger(n) {
			return databaseError("ERR_OUT_OF_RANGE", "column %q holds %d, which a JavaScript number cannot hold exactly; use CAST(... AS TEXT)", column, n)
		}
	case float64:
		if math.IsInf(n, 0) || math.IsNaN(n) {
			return databaseError("ERR_OUT_OF_RANGE", "column %q holds an infinite number; use CAST(... AS TEXT)", column)
		}
	case []byte:
		s := base64.StdEncoding.EncodeToString(n)
		v = blob{Base64: &s}
	}
	data, err := json.Marshal(v)
	w.out.Write(data)
	return err
}

func (w *resultWriter) end() json.RawMessage {
	w.out.WriteByte(']')
	return w.out.Bytes()
}
