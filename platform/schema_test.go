package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
)

func args(t testing.TB, text string) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

const orderSchema = `{
	"type": "array", "minItems": 1, "maxItems": 2,
	"prefixItems": [
		{
			"type": "object",
			"required": ["amount"],
			"additionalProperties": false,
			"properties": {
				"amount": {"type": "number", "minimum": 0.5},
				"currency": {"enum": ["EUR", "USD"]},
				"lines": {"type": "array", "maxItems": 3, "items": {"type": ["integer", "null", "string"]}},
				"code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
				"odd name": {"anyOf": [{"type": "string"}, {"const": 1}]},
				"more": {"$ref": "#/$defs/more"}
			}
		},
		{"type": "boolean"}
	],
	"$defs": {"more": {"type": "object", "properties": {"more": {"$ref": "#/$defs/more"}, "n": {"type": "integer"}}}}
}`

func TestCheckArguments(t *testing.T) {
	s, err := platform.NewSchema(json.RawMessage(orderSchema), nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`[{"amount":1}]`: "",
		`[{"amount":1,"currency":"EUR","lines":[1,null,"a"],"code":"ab","odd name":1,"more":{"more":{"n":1}}},true]`: "",
		`[]`:                                "arguments[0] is missing",
		`[null]`:                            "arguments[0] must be an object",
		`[{}]`:                              "arguments[0].amount is missing",
		`[{"amount":"1"}]`:                  "arguments[0].amount must be a number",
		`[{"amount":0}]`:                    "arguments[0].amount must be at least 0.5",
		`[{"amount":1,"currency":"GBP"}]`:   `arguments[0].currency must be "EUR" or "USD"`,
		`[{"amount":1,"lines":[1,2,true]}]`: "arguments[0].lines[2] must be an integer, a string or null",
		`[{"amount":1,"lines":[1,2,3,4]}]`:  "arguments[0].lines must have at most 3 items",
		`[{"amount":1,"lines":[1.5]}]`:      "arguments[0].lines[0] must be an integer, a string or null",
		`[{"amount":1,"code":"A"}]`:         "arguments[0].code must match the pattern ^[a-z]+$",
		`[{"amount":1,"code":"abcde"}]`:     "arguments[0].code must have at most 4 characters",
		`[{"amount":1,"odd name":2}]`:       `arguments[0]["odd name"] has none of the allowed forms, or several`,
		`[{"amount":1,"more":{"more":1}}]`:  "arguments[0].more.more must be an object",
		`[{"amount":1,"z":1,"y":1}]`:        "arguments[0].y is not known; arguments[0].z is not known",
		`[{"amount":1},1]`:                  "arguments[1] must be a boolean",
		`[{"amount":1},true,1]`:             "arguments must have at most 2 items",
		`[{"amount":"a","code":1}]`:         "arguments[0].amount must be a number; arguments[0].code must be a string",
		`[{"amount":1e308}]`:                "",
		`[{"amount":1e999999999}]`:          "arguments cannot be read as JSON",
		`[{"amount":1,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}]`: "arguments[0].a is not known; arguments[0].b is not known; arguments[0].c is not known; " +
			"arguments[0].d is not known; arguments[0].e is not known",
	} {
		err := s.CheckArguments(args(t, text))
		var known *platform.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.As(err, &known) || known.Name != "TypeError" || known.Message != want):
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestCheckArgumentsIsBounded(t *testing.T) {
	s, err := platform.NewSchema(json.RawMessage(`{"items": {"items": {"type": "integer"}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	many := "[" + strings.Repeat(`"a",`, 200_000) + "1]"
	var known *platform.Error
	if err := s.CheckArguments([]json.RawMessage{json.RawMessage(many)}); !errors.As(err, &known) || known.Name != "RangeError" {
		t.Errorf("got %v", err)
	}
	prose := `["` + strings.Repeat(`a, [b] {c} \" \\`, 50_000) + `"]`
	if err := s.CheckArguments([]json.RawMessage{json.RawMessage(prose)}); err == nil || strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	some := "[" + strings.Repeat(`"a",`, 15_000) + "1]"
	if err := s.CheckArguments([]json.RawMessage{json.RawMessage(some)}); !errors.As(err, &known) || len(known.Message) > 2000 {
		t.Errorf("got %v", err)
	}
}

func TestCheckResult(t *testing.T) {
	s, err := platform.NewSchema(nil, json.RawMessage(`{"type":"object","required":["id"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckResult(json.RawMessage(`{"id":1}`)); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{`{}`: "result.id is missing", ``: "result must be an object", `{`: "result cannot be read as JSON"} {
		if err := s.CheckResult(json.RawMessage(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if err := s.CheckArguments(args(t, `[1]`)); err != nil {
		t.Error(err)
	}
	if err := (*platform.Schema)(nil).CheckResult(nil); err != nil {
		t.Error(err)
	}
}

func TestNewSchemaRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":     `{`,
		"wrong type":   `{"type": "text"}`,
		"a file":       `{"$ref": "file:///etc/passwd"}`,
		"a web page":   `{"$ref": "https://example.com/schema.json"}`,
		"bad pattern":  `{"pattern": "("}`,
		"backtracking": `{"pattern": "(a)\\1"}`,
		"too large":    `{"description": "` + strings.Repeat("a", 64<<10) + `"}`,
		"dangling":     `{"$ref": "#/$defs/none"}`,
	} {
		if _, err := platform.NewSchema(json.RawMessage(text), nil); err == nil || !strings.Contains(err.Error(), "schema of the arguments") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

type order struct {
	ID     string     `json:"id" jsonschema:"the order's number"`
	Amount float64    `json:"amount"`
	Count  int64      `json:"count,omitempty"`
	Due    *time.Time `json:"due,omitempty"`
	Seal   []byte     `json:"seal,omitempty"`
}

type receipt struct {
	Total float64 `json:"total"`
}

func pay(_ context.Context, _ *platform.Call, o order) (receipt, error) {
	if o.ID == "none" {
		return receipt{}, platform.Errorf("NotFoundError", "there is no order %s", o.ID)
	}
	return receipt{Total: o.Amount * float64(max(o.Count, 1))}, nil
}

func TestTyped(t *testing.T) {
	api := platform.Typed("orders.pay", "pay an order", pay)
	if api.Name != "orders.pay" || api.Doc != "pay an order" || api.Sync {
		t.Errorf("%+v", api)
	}
	call := func(api platform.API, text string) (string, error) {
		list := args(t, text)
		if err := api.Schema.CheckArguments(list); err != nil {
			return "", err
		}
		v, err := api.Func(t.Context(), &platform.Call{Args: list})
		if err != nil {
			return "", err
		}
		return string(v.(json.RawMessage)), nil
	}
	for text, want := range map[string]string{
		`[{"id":"a","amount":2.5,"count":2}]`:                                `{"total":5}`,
		`[{"id":"a","amount":1,"due":"2026-01-02T03:04:05Z","seal":"AAE="}]`: `{"total":1}`,
		`[]`:                                   "TypeError: arguments[0] is missing",
		`[{"id":"a"}]`:                         "TypeError: arguments[0].amount is missing",
		`[{"id":"a","amount":"1"}]`:            "TypeError: arguments[0].amount must be a number",
		`[{"id":"a","Amount":1,"amount":1}]`:   "TypeError: arguments[0].Amount is not known",
		`[{"id":"a","amount":1,"count":1e30}]`: "TypeError: arguments[0].count has a value that cannot be used",
		`[{"id":"a","amount":1,"due":"soon"}]`: "TypeError: arguments[0] has a value that cannot be used",
		`[{"id":"none","amount":1}]`:           "NotFoundError: there is no order none",
		`[{"id":"a","amount":1},2]`:            "TypeError: arguments must have at most 1 items",
	} {
		got, err := call(api, text)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}

	var schema struct {
		PrefixItems []struct {
			Properties map[string]struct{ Description string }
			Required   []string
		}
	}
	if err := json.Unmarshal(api.Schema.Arguments(), &schema); err != nil {
		t.Fatal(err)
	}
	if p := schema.PrefixItems[0]; p.Properties["id"].Description != "the order's number" || strings.Join(p.Required, " ") != "id amount" {
		t.Errorf("%s", api.Schema.Arguments())
	}

	optional := platform.Typed("greet", "", func(_ context.Context, _ *platform.Call, name *string) (string, error) {
		if name == nil {
			return "hello", nil
		}
		return "hello " + *name, nil
	})
	none := platform.Typed("now", "", func(context.Context, *platform.Call, platform.None) (int, error) { return 1, nil })
	for _, tt := range []struct {
		api        platform.API
		args, want string
	}{
		{optional, `[]`, `"hello"`}, {optional, `[null]`, `"hello"`}, {optional, `["Ada"]`, `"hello Ada"`},
		{optional, `[1]`, "TypeError: arguments[0] must be a string or null"},
		{none, `[]`, `1`}, {none, `[1]`, "TypeError: arguments must have at most 0 items"},
	} {
		got, err := call(tt.api, tt.args)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s%s: got %s, want %s", tt.api.Name, tt.args, got, tt.want)
		}
	}
}

func TestTypedPanicsForWhatHasNoJSON(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "platform API bad: the argument's type") {
			t.Errorf("got %v", p)
		}
	}()
	platform.Typed("bad", "", func(context.Context, *platform.Call, chan int) (int, error) { return 0, nil })
}

// FuzzCheckArguments: whatever a tenant gives, the answer is yes or an
// exception of bounded size that names a place.
func FuzzCheckArguments(f *testing.F) {
	s, err := platform.NewSchema(json.RawMessage(orderSchema), nil)
	if err != nil {
		f.Fatal(err)
	}
	api := platform.Typed("orders.pay", "", pay)
	for _, seed := range []string{`[]`, `[{"amount":1,"odd name":[]}]`, `[{"amount":-1e300,"\u0000":1},2]`, `[{"id":"a","amount":1,"due":"x"}]`, `[{"lines":[[],{}]}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var list []json.RawMessage
		if json.Unmarshal(text, &list) != nil || !utf8.Valid(text) {
			return
		}
		check := func(err error) {
			var known *platform.Error
			if err == nil {
				return
			}
			if !errors.As(err, &known) || known.Name != "TypeError" && known.Name != "RangeError" {
				t.Fatalf("got %v", err)
			}
			if len(known.Message) > 8<<10 || !utf8.ValidString(known.Message) || !strings.Contains(known.Message, "arguments") {
				t.Fatalf("message %q", known.Message)
			}
		}
		check(s.CheckArguments(list))
		err := api.Schema.CheckArguments(list)
		check(err)
		if err != nil {
			return
		}
		if _, err := api.Func(t.Context(), &platform.Call{Args: list}); err != nil && !strings.HasPrefix(err.Error(), "NotFoundError") {
			check(err)
		}
	})
}
