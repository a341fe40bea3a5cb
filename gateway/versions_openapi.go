package gateway

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

type (
	rollbackBody struct {
		To string `json:"to,omitempty" doc:"A version's first digits, or an alias; without it, the version that was live before"`
	}
	aliasBody struct {
		Version string `json:"version" doc:"A version's first digits, or another alias"`
	}
	setSplitBody struct {
		Weights  map[string]int `json:"weights" doc:"Two versions, by first digits or alias, and their shares in percent; one of them is live"`
		Rollback *rollbackRule  `json:"rollback,omitempty"`
	}
)

// adder returns what adds an operation whose path names its parameters. An
// operation without an answer answers 204.
func adder(doc *huma.OpenAPI) func(id, method, path, summary string, body, answer any, query ...*huma.Param) {
	registry := doc.Components.Schemas
	content := func(v any) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: registry.Schema(reflect.TypeOf(v), true, "")}}
	}
	return func(id, method, path, summary string, body, answer any, query ...*huma.Param) {
		op := operation(id, method, path, summary)
		for _, name := range pathNames.FindAllStringSubmatch(path, -1) {
			op.Parameters = append(op.Parameters, &huma.Param{Name: name[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
		op.Parameters = append(op.Parameters, query...)
		if body != nil {
			op.RequestBody = &huma.RequestBody{Required: true, Content: content(body)}
		}
		op.Responses = map[string]*huma.Response{"204": {Description: "Done"}}
		if answer != nil {
			op.Responses = map[string]*huma.Response{"200": {Description: "What there is", Content: content(answer)}}
		}
		doc.AddOperation(&op)
	}
}

func describeVersions(doc *huma.OpenAPI) {
	add := adder(doc)
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: huma.TypeString}, Description: description}
	}
	add("list-versions", http.MethodGet, versionsPath, "List a function's versions, its split and what has become of what is live", nil, versionsBody{})
	add("get-version", http.MethodGet, versionPath, "Show a version, by its first digits or an alias", nil, version{},
		query("code", "1: with the code and its source map"))
	add("diff-versions", http.MethodGet, diffPath, "Compare two versions of a function", nil, diffBody{},
		query("from", "A version's first digits, or an alias. Default live"), query("to", "Likewise. Default live"))
	add("rollback", http.MethodPost, rollbackPath, "Make an earlier version live again, or end a split", rollbackBody{}, function{})
	add("set-alias", http.MethodPut, aliasPath, "Give a version a name; live sends all invocations to it", aliasBody{}, version{})
	add("delete-alias", http.MethodDelete, aliasPath, "Take a name from a version", nil, nil)
	add("set-split", http.MethodPut, splitPath, "Share out the invocations between the live version and another", setSplitBody{}, split{})
	add("clear-split", http.MethodDelete, splitPath, "End a split: all invocations go to the live version", nil, nil)
}
