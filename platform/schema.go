package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxSchema bounds one schema document, in bytes.
	maxSchema = 64 << 10
	// maxArgumentValues and maxResultValues bound what is held against a
	// schema, in JSON values: a list of wrong ones costs the checker far more
	// time and memory than its text.
	maxArgumentValues = 20_000
	maxResultValues   = 100_000
)

// Schema says what an API takes and what it returns, as JSON Schema of the
// 2020-12 draft. Make one with [NewSchema]; it is safe for concurrent use.
type Schema struct {
	arguments, result *document
}

// document is one JSON Schema, as it was written and compiled.
type document struct {
	text     json.RawMessage
	compiled *jsonschema.Schema
}

// NewSchema compiles the schema of the array of arguments, and that of the
// result. Either may be nil: anything goes then. Each has at most 64 KiB and
// refers to nothing outside itself; patterns are RE2.
func NewSchema(arguments, result json.RawMessage) (*Schema, error) {
	a, err := compile("arguments", arguments)
	if err != nil {
		return nil, err
	}
	r, err := compile("result", result)
	if err != nil {
		return nil, err
	}
	return &Schema{arguments: a, result: r}, nil
}

func compile(what string, text json.RawMessage) (*document, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if len(text) > maxSchema {
		return nil, fmt.Errorf("the schema of the %s has %d bytes; it may have at most %d", what, len(text), maxSchema)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the schema of the %s is not JSON: %w", what, err)
	}
	const url = "bulkhead:schema"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothing{})
	if err := c.AddResource(url, parsed); err != nil {
		return nil, fmt.Errorf("the schema of the %s: %w", what, err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("the schema of the %s: %w", what, err)
	}
	return &document{text: bytes.Clone(text), compiled: compiled}, nil
}

// nothing refuses what a schema refers to outside itself.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside the schema; only references within it are followed", url)
}

// Arguments returns the schema of the array of arguments, nil when there is
// none. The caller must not change it.
func (s *Schema) Arguments() json.RawMessage { return s.arguments.source() }

// Result returns the schema of the result, nil when there is none. The caller
// must not change it.
func (s *Schema) Result() json.RawMessage { return s.result.source() }

func (d *document) source() json.RawMessage {
	if d == nil {
		return nil
	}
	return d.text
}

// CheckArguments returns a TypeError that names what is wrong with args, and
// where: "arguments[0].amount must be a number".
func (s *Schema) CheckArguments(args []json.RawMessage) error {
	if s == nil || s.arguments == nil {
		return nil
	}
	size, values := 2, 0
	for _, a := range args {
		size += len(a) + 1
		values += countValues(a)
	}
	if values > maxArgumentValues {
		return Errorf("RangeError", "the arguments have more than %d values", maxArgumentValues)
	}
	text := append(make([]byte, 0, size), '[')
	text = append(append(text, bytes.Join(raw(args), []byte{','})...), ']')
	if fault := s.arguments.check("arguments", text); fault != nil {
		return TypeErrorf("%w", fault)
	}
	return nil
}

// CheckResult returns an error for the operator that says where a result
// differs from the schema; an empty one is undefined, and passes as null.
func (s *Schema) CheckResult(result json.RawMessage) error {
	if s == nil || s.result == nil {
		return nil
	}
	if len(result) == 0 {
		result = json.RawMessage("null")
	}
	if countValues(result) > maxResultValues {
		return fmt.Errorf("the result has more than %d values", maxResultValues)
	}
	return s.result.check("result", result)
}

// checking bounds how many checks are made at once, and so the memory for
// them: more would not be faster.
var checking = make(chan struct{}, runtime.GOMAXPROCS(0))

func (d *document) check(root string, text []byte) error {
	checking <- struct{}{}
	defer func() { <-checking }()
	// Numbers become float64, as they are in JavaScript: exact arithmetic on
	// 1e999999999 would take all memory there is.
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("%s cannot be read as JSON", root)
	}
	err := d.compiled.Validate(v)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return errors.New(explain(root, v, invalid))
	}
	return err
}

// countValues returns the number of values in a JSON text, or a few more.
func countValues(text []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

func raw(args []json.RawMessage) [][]byte {
	list := make([][]byte, len(args))
	for i, a := range args {
		list[i] = a
	}
	return list
}
