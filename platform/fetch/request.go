package fetch

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// Bounds of a request.
const (
	maxURL           = 16 << 10
	maxRequestHeader = 64 << 10
)

// forbiddenMethods make a proxy or a server do something other than answer.
var forbiddenMethods = []string{http.MethodConnect, http.MethodTrace, "TRACK"}

const maxMethod = 32

// ownHeaders are set by us or mean something to one connection only. They are
// left out when a function gives them, as browsers do.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host",
	"Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// request is a call's arguments, checked.
type request struct {
	target   target
	method   string
	header   http.Header
	redirect string // "follow", "error" or "manual"
	requestBody
}

// requestInit is the second argument of fetch.
type requestInit struct {
	Method     *string     `json:"method"`
	Headers    headerPairs `json:"headers"`
	Body       *string     `json:"body"`
	BodyBase64 *string     `json:"bodyBase64"`
	BodyStream *uint32     `json:"bodyStream"`
	BodySize   *int64      `json:"bodySize"`
	Redirect   *string     `json:"redirect"`
}

// headerPairs takes headers as pairs or as an object.
type headerPairs [][2]string

func (h *headerPairs) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var pairs [][]string
		if err := json.Unmarshal(data, &pairs); err != nil {
			return err
		}
		for _, p := range pairs {
			if len(p) != 2 {
				return errors.New("a header is not a pair")
			}
			*h = append(*h, [2]string{p[0], p[1]})
		}
		return nil
	}
	var object map[string]string
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	for name, value := range object {
		*h = append(*h, [2]string{name, value})
	}
	return nil
}

// attributes is the API's Attributes.
func attributes(args []json.RawMessage) (policies.Attributes, error) {
	t, init, err := parseHead(args)
	if err != nil {
		return policies.Attributes{}, err
	}
	method, err := parseMethod(init)
	if err != nil {
		return policies.Attributes{}, err
	}
	return t.attributes(method), nil
}

func parseHead(args []json.RawMessage) (target, *requestInit, error) {
	call := platform.Call{Args: args}
	var raw string
	init := &requestInit{}
	if ok, err := call.Arg(0, "url", &raw); err != nil {
		return target{}, nil, err
	} else if !ok {
		return target{}, nil, platform.TypeErrorf("fetch needs a URL")
	}
	if _, err := call.Arg(1, "init", init); err != nil {
		return target{}, nil, err
	}
	t, err := parseTarget(raw)
	return t, init, err
}

func parseMethod(init *requestInit) (string, error) {
	if init.Method == nil {
		return http.MethodGet, nil
	}
	m := strings.ToUpper(*init.Method)
	if len(m) > maxMethod || !httpguts.ValidHeaderFieldName(m) || slices.Contains(forbiddenMethods, m) {
		return "", platform.TypeErrorf("fetch does not support the method %s", short(*init.Method))
	}
	return m, nil
}

func parseRequest(args []json.RawMessage) (*request, error) {
	t, init, err := parseHead(args)
	if err != nil {
		return nil, err
	}
	r := &request{target: t, redirect: "follow"}
	if r.method, err = parseMethod(init); err != nil {
		return nil, err
	}
	if r.header, err = parseHeader(init.Headers); err != nil {
		return nil, err
	}
	if err := r.parseBody(init, r.method, r.header); err != nil {
		return nil, err
	}
	if init.Redirect != nil {
		r.redirect = *init.Redirect
		if !slices.Contains([]string{"follow", "error", "manual"}, r.redirect) {
			return nil, platform.TypeErrorf("redirect must be follow, error or manual")
		}
	}
	return r, nil
}

func parseHeader(pairs headerPairs) (http.Header, error) {
	header, size := http.Header{}, 0
	for _, p := range pairs {
		name, value := p[0], strings.Trim(p[1], " \t\r\n")
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, platform.TypeErrorf("%s is not a header's name", short(name))
		}
		if !httpguts.ValidHeaderFieldValue(value) {
			return nil, platform.TypeErrorf("the value of header %s holds characters that it may not", short(name))
		}
		if size += len(name) + len(value) + 4; size > maxRequestHeader {
			return nil, platform.TypeErrorf("the request's headers are over %d KiB", maxRequestHeader>>10)
		}
		if key := http.CanonicalHeaderKey(name); !slices.Contains(ownHeaders, key) {
			header[key] = append(header[key], value)
		}
	}
	if header.Get("Accept") == "" {
		header.Set("Accept", "*/*")
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "Bulkhead")
	}
	return header, nil
}
