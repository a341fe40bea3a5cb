package gateway

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
)

// describe adds to the document what plain handlers serve, and that every
// operation may fail with a problem.
func (s *Server) describe(doc *huma.OpenAPI) {
	registry := doc.Components.Schemas
	schema := func(v any) *huma.Schema { return registry.Schema(reflect.TypeOf(v), true, "") }
	content := func(media string, s *huma.Schema) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{media: {Schema: s}}
	}
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
	path := func(names ...string) (params []*huma.Param) {
		for _, name := range names {
			params = append(params, &huma.Param{
				Name: name, In: "path", Required: true, Schema: text(),
				Description: "Lower-case letters, digits and dashes; at most 63",
			})
		}
		return params
	}
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Schema: text(), Description: description}
	}

	put := operation("put-tenant", http.MethodPut, tenantPath, "Create a tenant, or change its settings")
	put.Parameters = path("tenant")
	put.RequestBody = &huma.RequestBody{Content: content("application/json", schema(tenantSettings{}))}
	put.Responses = map[string]*huma.Response{
		"200": {Description: "Changed, or the same as before", Content: content("application/json", schema(tenant{}))},
		"201": {Description: "Created", Content: content("application/json", schema(tenant{}))},
	}
	doc.AddOperation(&put)

	deploy := operation("deploy-function", http.MethodPut, functionPath, "Deploy a function")
	deploy.Description = "The body is the source itself, with the settings in the query, or JSON with both. " +
		"Either a version is deployed or nothing changes."
	deploy.Parameters = append(path("tenant", "function"),
		query("memory", "Memory limit of an instance, like 5MiB. Default 5MiB"),
		query("timeout", "Wall time of an invocation, like 300ms. Default 5s"),
		query("cpu", "CPU time of an invocation, like 50ms. Default: the tier's most, or no limit beside the timeout"),
		query("concurrency", "Invocations at once. Default 4"),
		query("isolation", "fresh: no state is left to the next invocation. warm: globals are kept. Default fresh"),
		query("policy", "A policy that holds beside the tenant's: what either denies is denied. Default none"),
		query("alias", "A name that the version gets, like staging"),
		query("live", "false: the version is made, and not made live. Default true"))
	deploy.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/javascript":        {Schema: text()},
		"application/javascript": {Schema: text()},
		"application/json":       {Schema: schema(deployBody{})},
	}}
	deploy.Responses = map[string]*huma.Response{
		"200": {Description: "Changed, or the same as before", Content: content("application/json", schema(function{}))},
		"201": {Description: "A new function", Content: content("application/json", schema(function{}))},
	}
	doc.AddOperation(&deploy)

	header := func(description string) *huma.Param { return &huma.Param{Description: description, Schema: text()} }
	invoke := operation("invoke-function", http.MethodPost, invokePath, "Invoke a function")
	invoke.Description = "The body is the event, which the function gets as its argument; no body stands for null. " +
		"A version that is named by its digits, not by an alias, asks for the scope tenant-deploy."
	invoke.Parameters = append(path("tenant", "function"),
		query("detail", "true for the answer of the type "+DetailType+", with logs; the header Accept does the same"),
		query("version", "A version's first digits, or an alias. Default live. POST "+versionInvokePath+" does the same"))
	invoke.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{}},
		CBORType:           {Schema: &huma.Schema{Description: "Any JavaScript value: docs/values.md lists the tags"}},
	}}
	invoke.Responses = map[string]*huma.Response{
		"200": {
			Description: "What the function returned",
			Headers: map[string]*huma.Param{
				"Bulkhead-Invocation": header("The invocation's id"),
				"Bulkhead-Version":    header("The function version that ran"),
				"Bulkhead-Receipt": header("A dictionary (RFC 9651): outcome, start (cold or warm), cause (of a cold start), wall, cpu and queued (milliseconds), " +
					"memory (bytes), calls, failed and denied (host calls), sent and received (bytes)"),
			},
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: &huma.Schema{}},
				CBORType:           {Schema: &huma.Schema{Description: "Without loss, when Accept names it"}},
				DetailType:         {Schema: schema(invocation{})},
			},
		},
	}
	doc.AddOperation(&invoke)
	preview := invoke
	preview.OperationID, preview.Path, preview.Summary = "invoke-version", versionInvokePath, "Invoke one version of a function"
	preview.Parameters = append(path("tenant", "function", "version"), invoke.Parameters[2])
	doc.AddOperation(&preview)

	run := operation("run-code", http.MethodPost, runPath, "Run code once, without deploying it")
	run.Description = "The code runs as a function of the tenant would: its policy and tier hold, and it acts on the tenant's data. " +
		"The answer is one JSON object a line, as it happens: what it logs, what its policy says of its host calls, and last the result or the problem. " +
		"What fails before any of this is answered as a problem."
	run.Parameters = path("tenant")
	run.RequestBody = &huma.RequestBody{Required: true, Content: content("application/json", schema(runBody{}))}
	run.Responses = map[string]*huma.Response{"200": {Description: "What happened", Content: content(LinesType, schema(happening{}))}}
	doc.AddOperation(&run)

	watch := operation("watch-function", http.MethodPost, watchPath, "Invoke a function, and watch the invocation")
	watch.Description = "As invoke-function, but the answer is one JSON object a line, as it happens: what the function logs, what its policy says of its host calls " +
		"with what came of them, and last the result with its receipt, or the problem. What fails before any of this is answered as a problem."
	watch.Parameters = append(path("tenant", "function"), query("version", "A version's first digits, or an alias. Default live"))
	watch.RequestBody = invoke.RequestBody
	watch.Responses = run.Responses
	doc.AddOperation(&watch)

	whoami := operation("get-self", http.MethodGet, selfPath, "Show what the caller may do")
	whoami.Responses = map[string]*huma.Response{"200": {Description: "Who the caller is; 401 for who has to be somebody", Content: content("application/json", schema(self{}))}}
	doc.AddOperation(&whoami)

	audit := operation("follow-audit", http.MethodGet, auditPath, "Follow what functions ask for, and what their policies say")
	audit.Description = "Every decision about a host call from now on, one JSON object a line, until the client leaves. " +
		"A client that reads too slowly misses some: an object with the member lost says how many."
	audit.Parameters = []*huma.Param{
		query("tenant", "Of this tenant only"), query("function", "Of functions of this name only"),
		query("api", "Calls of this API only, like fetch or kv.get"),
		query("action", "Decisions of this kind only: allow, deny, audit, kill or quota"),
	}
	audit.Responses = map[string]*huma.Response{
		"200": {Description: "The entries, as they come", Content: content(LinesType, &huma.Schema{Type: huma.TypeObject})},
	}
	doc.AddOperation(&audit)

	logs := operation("read-logs", http.MethodGet, logsPath, "Read what functions logged, and how their invocations failed")
	logs.Description = "One JSON object a line, the oldest first. Of the past there are the last 1,000 lines, or 256 KiB, of each function, " +
		"and 32 MiB in all, since the supervisor's start. A client that follows and reads too slowly misses some: an object with the member lost says how many."
	logs.Parameters = []*huma.Param{
		query("tenant", "Of this tenant only"), query("function", "Of this function of the tenant only"),
		query("level", "At least this level: debug, info, warn or error. Default debug"),
		query("outcome", "Only the lines that tell that an invocation ended so, like deadline; failed for any failure"),
		query("since", "Of the past, only what is newer than this: a time as in RFC 3339, or a duration like 10m"),
		query("tail", "Of the past, only the last so many lines. Default all"),
		query("grep", "Only messages that match this regular expression (RE2), of at most 1,024 bytes"),
		query("follow", "true: go on with the lines that come, until the client leaves. Default false"),
	}
	logs.Responses = map[string]*huma.Response{
		"200": {Description: "The lines", Content: content(LinesType, schema(logLine{}))},
	}
	doc.AddOperation(&logs)

	failure := &huma.Response{Description: "A problem (RFC 9457)", Content: content(problemType, schema(problem{}))}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete} {
			if op != nil {
				op.Responses["default"] = failure
			}
		}
	}
	// Added by huma for its own errors, which these routes never answer with.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
}

// describeSettings adds the routes of secrets and variables.
func (s *Server) describeSettings(doc *huma.OpenAPI) {
	add := adder(doc)
	add("list-secrets", http.MethodGet, secretsPath, "List a tenant's secrets, without their values", nil, secretsBody{})
	add("put-secret", http.MethodPut, secretPath, "Set a tenant's secret", secretBody{}, nil)
	add("delete-secret", http.MethodDelete, secretPath, "Delete a tenant's secret", nil, nil)
	add("get-tenant-env", http.MethodGet, envPath, "Show the variables of a tenant", nil, envBody{})
	add("put-tenant-env", http.MethodPut, envPath, "Replace the variables of a tenant: its functions get new versions", envBody{}, appliedBody{})
	add("get-function-env", http.MethodGet, functionEnvPath, "Show the variables of a function", nil, envBody{})
	add("put-function-env", http.MethodPut, functionEnvPath, "Replace the variables of a function: it gets a new version", envBody{}, appliedBody{})
}

var pathNames = regexp.MustCompile(`\{(\w+)\}`)

type (
	secretsBody struct {
		Secrets []Secret `json:"secrets"`
	}
	secretBody struct {
		Value  string   `json:"value" doc:"UTF-8; kept encrypted and told to nobody"`
		Hosts  []string `json:"hosts,omitempty" doc:"Where fetch may send it, like api.example.com or *.example.com"`
		Reveal bool     `json:"reveal,omitempty" doc:"Functions get the value itself, not a placeholder"`
	}
	envBody struct {
		Env map[string]string `json:"env"`
	}
	appliedBody struct {
		Functions []function `json:"functions" doc:"Those that have a new version live"`
	}
)

// deployBody documents a deploy's JSON body; decodeDeploy reads it.
type deployBody struct {
	Code        string            `json:"code"`
	SourceMap   json.RawMessage   `json:"source_map,omitempty" doc:"The code's source map, an object of version 3 and at most 4 MiB; stacks then name the sources"`
	Assets      map[string]string `json:"assets,omitempty" doc:"Static files in base64, by their names: at most 2000, 8 MiB each and 16 MiB together with their names"`
	Memory      json.RawMessage   `json:"memory,omitempty" doc:"Like \"5MiB\", or a number of bytes"`
	Timeout     string            `json:"timeout,omitempty" example:"5s"`
	CPU         string            `json:"cpu,omitempty" example:"50ms" doc:"CPU time of an invocation"`
	Concurrency int               `json:"concurrency,omitempty" minimum:"1"`
	Isolation   string            `json:"isolation,omitempty" enum:"fresh,warm"`
	Policy      string            `json:"policy,omitempty" doc:"Holds beside the tenant's: what either denies is denied"`
	Public      bool              `json:"public,omitempty" doc:"Anybody may call it over HTTP, without a token"`
	Alias       string            `json:"alias,omitempty" doc:"A name that the version gets, like staging"`
	Live        *bool             `json:"live,omitempty" doc:"false: the version is made, and not made live"`
}
