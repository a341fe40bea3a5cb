package gateway

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

const bearerScheme = "token"

// describeAccess adds what a caller of each operation needs.
func describeAccess(doc *huma.OpenAPI) {
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	doc.Components.SecuritySchemes[bearerScheme] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer",
		Description: "A token of `supervisor token create`. The scopes that an operation lists: any one of them will do. " +
			"tenant-deploy and tenant-invoke are for one tenant. " +
			"No token is needed on the admin socket, nor on loopback as long as none has ever been made and auth.required is not set.",
	}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete,
		} {
			if op == nil {
				continue
			}
			n := access[method+" "+path]
			if n.scope == "" {
				op.Security = []map[string][]string{{}}
				continue
			}
			op.Security = []map[string][]string{{bearerScheme: {string(n.scope)}}}
			if n.scope != admin.scope {
				op.Security = append(op.Security, map[string][]string{bearerScheme: {string(admin.scope)}})
			}
		}
	}
}

// describeTokens adds the routes of tokens.
func describeTokens(doc *huma.OpenAPI) {
	schema := func(v any) *huma.Schema { return doc.Components.Schemas.Schema(reflect.TypeOf(v), true, "") }
	content := func(v any) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: schema(v)}}
	}
	list := operation("list-tokens", http.MethodGet, tokensPath, "List the tokens, without their secrets")
	list.Responses = map[string]*huma.Response{"200": {Description: "What there is", Content: content(tokensBody{})}}
	create := operation("create-token", http.MethodPost, tokensPath, "Create a token")
	create.RequestBody = &huma.RequestBody{Required: true, Content: content(tokenBody{})}
	create.Responses = map[string]*huma.Response{"201": {Description: "The token, whose text is shown only now", Content: content(tokenCreated{})}}
	revoke := operation("revoke-token", http.MethodDelete, tokenPath, "Revoke a token, at once")
	revoke.Parameters = []*huma.Param{{Name: "token", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Description: "Its name"}}
	revoke.Responses = map[string]*huma.Response{"204": {Description: "Done"}}
	for _, op := range []*huma.Operation{&list, &create, &revoke} {
		doc.AddOperation(op)
	}
}

type tokensBody struct {
	Tokens []token `json:"tokens"`
}
