package policies_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/policies"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(policies.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decodeSchema(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(policies.Schema(), v); err != nil {
		t.Fatal(err)
	}
}

func validate(t testing.TB, s *jsonschema.Schema, doc string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
		return err
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// What the schema takes, the parser takes; what one refuses, so does the other.
func TestSchemaAgreesWithParser(t *testing.T) {
	s := compileSchema(t)
	const head = "version: 1\nname: x\n"
	rule := func(rest string) string { return head + "rules: [{api: f, action: allow, " + rest + "}]\n" }
	deny := func(rest string) string { return head + "rules: [{api: f, action: deny, " + rest + "}]\n" }
	when := func(rest string) string { return rule("when: {" + rest + "}") }
	docs := []string{
		head, webhook, "name: x\n", "version: 2\nname: x\n", "version: 1\n", "[]", "version: '1'\nname: x\n",
		head + "description: d\nextends: compute\ndefault: kill\nrules: []\n",
		head + "extends: [compute, data]\n", head + "extends: []\n", head + "extends: [1]\n", head + "extends: -x\n",
		head + "description: 1\n", head + "default: maybe\n", head + "rule: []\n", head + "rules: {}\n", head + "rules: [x]\n", head + "rules: [{}]\n",
		head + "rules: [{api: a}]\n", head + "rules: [{action: deny}]\n", head + "rules: [{api: [], action: deny}]\n",
		head + "rules: [{api: [a, 'a.*.b', '*'], action: audit}]\n", head + "rules: [{api: 'a*', action: audit}]\n", head + "rules: [{api: a..b, action: audit}]\n",
		head + "rules: [{api: a, action: alow}]\n", head + "rules: [{api: a, action: kill, extra: 1}]\n",
		"version: 1\nname: X\n", "version: 1\nname: " + strings.Repeat("a", 64) + "\n",
		rule("comment: why"), rule("comment: 1"), rule("private: true"), rule("private: 1"), rule("cel: 'port == 1'"), rule("cel: 1"),
		rule("max_response: 5MiB"), rule("max_response: 0"), rule("max_response: 12"), rule("max_response: 5MB"), rule("max_response: '0KiB'"), rule("max_response: 1.5"),
		rule("redact: args[0]"), rule("redact: ['args[1].a.b[0].*', 'args[*]']"), rule("redact: arg[0]"), rule("redact: []"), rule("redact: 'args[0].'"),
		rule("quota: {}"), rule("quota: {calls_per_invocation: 1}"), rule("quota: {calls_per_invocation: 0}"), rule("quota: {calls_per_second: 0.5, burst: 2}"),
		rule("quota: {burst: 2}"), rule("quota: {calls_per_second: 0}"), rule("quota: {bytes_per_minute: 1MiB}"), rule("quota: {bytes_per_hour: 1MiB}"), rule("quota: 1"),
		when(""), when("scheme: https"), when("scheme: ftp"), when("scheme: [http, https]"), when("host: a.example"), when("host: ['*', '*.a.example', '::1', 10.0.0.1]"),
		when("host: https://a"), when("host: ''"), when("port: 1"), when("port: 0"), when("port: 65536"), when("port: '80'"), when("port: [80, 443]"), when("port: 1.5"),
		when("method: Get"), when("method: TRACE"), when("path: /v1"), when("path: v1"), when("path: [/a, /b/]"), when("path: '/a?b'"), when("path: '/a*'"),
		when("statement: select"), when("statement: selct"), when("table: [a, 'b*']"), when("table: 'a*b'"), when("table: ''"), when("table: '*'"),
		when("key: user/"), when("key: ''"), when("key: 'user/*'"), when("name: 'a-*'"), when("name: [a, b]"), when("name: '**'"),
		when("size: 1KiB"), when("size: 0"), when("size: '> 1KiB'"), when("size: '>1'"), when("size: -1"), when("size: big"), when("hosts: a"),
		deny("when: {size: '> 1KiB'}"), deny("when: {size: 1KiB}"), deny("when: {size: 5}"), deny("private: true"), deny("private: false"),
		deny("max_response: 1KiB"), deny("quota: {calls_per_invocation: 1}"), deny("redact: args[0]"),
		head + "rules: [{api: f, action: kill, quota: {calls_per_invocation: 1}}]\n",
	}
	presets, err := filepath.Glob("presets/*.yaml")
	if err != nil || len(presets) < 10 {
		t.Fatal(presets, err)
	}
	for _, file := range presets {
		if !strings.HasSuffix(file, ".test.yaml") {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, string(data))
		}
	}
	valid := 0
	for _, doc := range docs {
		_, parsed := policies.Parse("f", []byte(doc), nil)
		checked := validate(t, s, doc)
		if (parsed == nil) != (checked == nil) {
			t.Errorf("%s\nparser: %v\nschema: %v", doc, parsed, checked)
		}
		if parsed == nil {
			valid++
		}
	}
	if valid < 40 || len(docs)-valid < 40 {
		t.Errorf("%d valid, %d not: too few to show anything", valid, len(docs)-valid)
	}
}

// Every field has a description for editors to show.
func TestSchemaDescribesFields(t *testing.T) {
	var s struct {
		Properties map[string]map[string]any `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	decodeSchema(t, &s)
	fields := s.Properties
	for _, d := range s.Defs {
		for name, f := range d.Properties {
			fields[name] = f
		}
	}
	if len(fields) < 25 {
		t.Fatalf("only %d fields", len(fields))
	}
	for name, f := range fields {
		ref, _ := f["$ref"].(string)
		if f["description"] == nil && ref != "#/$defs/action" && ref != "#/$defs/when" && ref != "#/$defs/quota" {
			t.Errorf("%s has no description", name)
		}
	}
}

func FuzzSchema(f *testing.F) {
	s := compileSchema(f)
	f.Add([]byte(webhook))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := policies.Parse("f", data, nil); err != nil {
			return
		}
		var v any
		if yaml.Unmarshal(data, &v) != nil {
			return // keys that only differ in their tags
		}
		if err := validate(t, s, string(data)); err != nil {
			t.Fatalf("the parser takes what the schema refuses: %v", err)
		}
	})
}
