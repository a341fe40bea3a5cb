package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// deploySlack is how much longer than its code a deploy's JSON body may be:
// JSON writes some characters as six, and the settings come on top.
const deploySlack = 64 << 10

func (s *Server) deploy(w http.ResponseWriter, r *http.Request) {
	spec := supervisor.FunctionSpec{Tenant: r.PathValue("tenant"), Function: r.PathValue("function")}
	media, p := mediaType(r)
	if p != nil {
		p.write(w)
		return
	}
	limit := s.options.MaxCode
	switch media {
	case "text/javascript", "application/javascript":
	case "application/json":
		limit = 2*limit + supervisor.MaxSourceMap + supervisor.MaxAssets/2*3 + deploySlack // assets are in base64
	default:
		if media == "" {
			media = "no Content-Type"
		}
		requestProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("a deploy is not taken as %s", media),
			"send the source as text/javascript, or application/json with the member code").write(w)
		return
	}
	body, p := readBody(w, r, "code", limit)
	if p != nil {
		p.write(w)
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		requestProblem(http.StatusBadRequest, "the query cannot be read", "").write(w)
		return
	}
	problems := decodeDeploy(&spec, media, query, body)
	if spec.Problems = problems; len(problems) > 0 && spec.Code == "" {
		s.problemOf(&outcome.Error{
			Outcome: outcome.Invalid, Detail: "the deploy was refused; nothing has changed", Problems: problems,
		}, spec.Tenant, spec.Function).write(w)
		return
	}
	if int64(len(spec.Code)) > s.options.MaxCode {
		requestProblem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the code is larger than %s", FormatSize(s.options.MaxCode)), "send less").write(w)
		return
	}
	f, err := s.backend.Deploy(r.Context(), spec)
	if err != nil {
		s.problemOf(err, spec.Tenant, spec.Function).write(w)
		return
	}
	status := http.StatusOK
	if f.New {
		status = http.StatusCreated
	}
	writeJSON(w, status, "application/json", functionBody(f))
}

// decodeDeploy fills spec from a deploy's query and body, and returns every
// fault it finds. Only what is wrong in any case is found here; what the
// tenant's tier allows is the supervisor's to say.
func decodeDeploy(spec *supervisor.FunctionSpec, media string, query url.Values, body []byte) []outcome.Problem {
	fields := map[string]field{
		"memory":      sizeField(&spec.Memory),
		"timeout":     durationField(&spec.Timeout),
		"cpu":         durationField(&spec.CPU),
		"concurrency": countField(&spec.Concurrency),
		"isolation":   isolationField(&spec.Isolation),
		"policy":      stringField(&spec.Policy),
		"public":      switchField(&spec.Public),
		"alias":       stringField(&spec.Alias),
		"live":        liveField(&spec.NoLive),
	}
	var problems []outcome.Problem
	if media == "application/json" {
		for _, name := range slices.Sorted(maps.Keys(query)) {
			problems = append(problems, outcome.Problem{Field: name, Reason: "belongs in the JSON body, not in the query"})
		}
		fields["code"] = stringField(&spec.Code)
		fields["source_map"] = objectField(&spec.SourceMap)
		fields["assets"] = assetsField(&spec.Assets)
		problems = append(problems, decodeObject(body, fields)...)
	} else {
		spec.Code = string(body)
		for _, name := range slices.Sorted(maps.Keys(query)) {
			decode, known := fields[name]
			if !known {
				problems = append(problems, unknown(name, fields))
				continue
			}
			if len(query[name]) > 1 {
				problems = append(problems, outcome.Problem{Field: name, Reason: "is given more than once"})
				continue
			}
			quoted, _ := json.Marshal(query[name][0])
			if err := decode(quoted); err != nil {
				problems = append(problems, outcome.Problem{Field: name, Reason: err.Error()})
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	switch {
	case spec.Code == "":
		problems = append(problems, outcome.Problem{Field: "code", Reason: "is empty"})
	case !utf8.ValidString(spec.Code):
		problems = append(problems, outcome.Problem{Field: "code", Reason: "is not valid UTF-8"})
	}
	return problems
}

// The settings' decoders take what the query gives, a string, and what JSON
// may give beside it, a number.

func sizeField(into *int64) field {
	return func(raw json.RawMessage) (err error) {
		var s string
		var n int64
		switch {
		case json.Unmarshal(raw, &n) == nil:
		case json.Unmarshal(raw, &s) == nil:
			if n, err = ParseSize(s); err != nil {
				return err
			}
		default:
			return errors.New(`must be a size: "5MiB", or a whole number of bytes`)
		}
		if n <= 0 {
			return errors.New("must be above 0")
		}
		*into = n
		return nil
	}
}

func durationField(into *time.Duration) field {
	return func(raw json.RawMessage) error {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return errors.New(`must be a duration in a string: "300ms", "5s"`)
		}
		d, err := parseDuration(s)
		if err != nil {
			return err
		}
		if d <= 0 {
			return errors.New("must be above 0")
		}
		*into = d
		return nil
	}
}

// liveField takes true or false, also in a string: a query has nothing else.
func liveField(noLive *bool) field {
	return func(raw json.RawMessage) error {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		if s != "true" && s != "false" {
			return errors.New("must be true or false")
		}
		*noLive = s == "false"
		return nil
	}
}

// objectField keeps a JSON object as it is.
func objectField(into *string) field {
	return func(raw json.RawMessage) error {
		if raw[0] != '{' {
			return errors.New("must be a JSON object")
		}
		*into = string(raw)
		return nil
	}
}

// assetsField takes files in base64, by their names.
func assetsField(into *map[string][]byte) field {
	return func(raw json.RawMessage) error {
		d := json.NewDecoder(bytes.NewReader(raw))
		if open, err := d.Token(); err != nil || open != json.Delim('{') {
			return errors.New("must be a JSON object: files in base64, by their names")
		}
		files := make(map[string][]byte)
		for d.More() {
			key, _ := d.Token() // the whole is valid JSON
			name, _ := key.(string)
			var data []byte
			if err := d.Decode(&data); err != nil || data == nil {
				return fmt.Errorf("has a file %q that is not a string in base64", shown(name))
			}
			if _, again := files[name]; again {
				return fmt.Errorf("has %q twice", shown(name))
			}
			if files[name] = data; len(files) > supervisor.MaxAssetFiles {
				return fmt.Errorf("has more than %d files", supervisor.MaxAssetFiles)
			}
		}
		*into = files
		return nil
	}
}

func countField(into *int) field {
	return func(raw json.RawMessage) error {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		n, err := strconv.Atoi(s)
		if err != nil || n <= 0 || n > math.MaxInt32 {
			return errors.New("must be a whole number above 0")
		}
		*into = n
		return nil
	}
}

func isolationField(into *supervisor.Isolation) field {
	return func(raw json.RawMessage) error {
		var s supervisor.Isolation
		if json.Unmarshal(raw, &s) != nil || (s != supervisor.Fresh && s != supervisor.Warm) {
			return fmt.Errorf("must be %q or %q", supervisor.Fresh, supervisor.Warm)
		}
		*into = s
		return nil
	}
}

// switchField takes what the query gives, a string, beside a boolean.
func switchField(into *bool) field {
	return func(raw json.RawMessage) error {
		switch string(bytes.Trim(raw, `"`)) {
		case "true":
			*into = true
		case "false":
			*into = false
		default:
			return errors.New("must be true or false")
		}
		return nil
	}
}
