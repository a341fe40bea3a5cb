package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// None is the argument type of a [Typed] API that takes no argument.
type None struct{}

// Typed makes an API of a Go function. JavaScript calls it with one argument,
// of type A as encoding/json reads it, and gets a promise of R; with None as A,
// without an argument. A pointer as A makes the argument optional.
//
// The API's Schema is derived from both types: a member is required unless its
// json tag has omitempty or omitzero, members that A does not have are refused,
// a jsonschema tag is a member's description. A wrong argument throws a
// TypeError that names it, before do runs; limits beyond the type are for do to
// check, with TypeErrorf.
//
// It panics when a type has no JSON form, such as a channel or one that
// contains itself: it is meant for package initialization and main.
func Typed[A, R any](name, doc string, do func(ctx context.Context, call *Call, arg A) (R, error)) API {
	schema, err := typedSchema[A, R]()
	if err != nil {
		panic(fmt.Sprintf("platform API %s: %v", name, err))
	}
	return API{
		Name: name, Doc: doc, Schema: schema,
		Func: func(ctx context.Context, call *Call) (any, error) {
			var arg A
			if len(call.Args) > 0 {
				if err := json.Unmarshal(call.Args[0], &arg); err != nil {
					return nil, unmarshalError(err)
				}
			}
			result, err := do(ctx, call, arg)
			if err != nil {
				return nil, err
			}
			text, err := json.Marshal(result)
			if err != nil {
				return nil, fmt.Errorf("the result has no JSON form: %w", err)
			}
			return json.RawMessage(text), nil
		},
	}
}

func typedSchema[A, R any]() (*Schema, error) {
	types := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		// What encoding/json makes of them.
		reflect.TypeFor[[]byte]():          {Type: "string", ContentEncoding: "base64"},
		reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
		reflect.TypeFor[json.RawMessage](): {},
	}}
	arguments := &jsonschema.Schema{Type: "array", MaxItems: new(int)}
	if reflect.TypeFor[A]() != reflect.TypeFor[None]() {
		argument, err := jsonschema.For[A](types)
		if err != nil {
			return nil, fmt.Errorf("the argument's type: %w", err)
		}
		*arguments.MaxItems = 1
		arguments.PrefixItems = []*jsonschema.Schema{argument}
		if reflect.TypeFor[A]().Kind() != reflect.Pointer {
			arguments.MinItems = arguments.MaxItems
		}
	}
	result, err := jsonschema.For[R](types)
	if err != nil {
		return nil, fmt.Errorf("the result's type: %w", err)
	}
	var texts [2]json.RawMessage
	for i, s := range []*jsonschema.Schema{arguments, result} {
		if texts[i], err = json.Marshal(s); err != nil {
			return nil, err
		}
	}
	return NewSchema(texts[0], texts[1])
}

// unmarshalError words what the schema let through and Go's types do not, such
// as a number that is too large for an int64 or text that is no time.
func unmarshalError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		path := "arguments[0]"
		if wrong.Field != "" {
			path += "." + wrong.Field
		}
		return TypeErrorf("%s has a value that cannot be used", path)
	}
	return TypeErrorf("arguments[0] has a value that cannot be used")
}
