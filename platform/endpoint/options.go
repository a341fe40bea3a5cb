package endpoint

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/platform"
)

// What an endpoint gets when its Options do not say.
const (
	DefaultTimeout       = 10 * time.Second
	DefaultMaxResponse   = 1 << 20 // bytes
	DefaultMaxConcurrent = 16
)

// MaxResponse is the most that MaxResponse may be, in bytes.
const MaxResponse = 4 << 20

// Options describe one endpoint. Name and URL are needed; zero values mean the
// defaults.
type Options struct {
	// Name is what JavaScript calls, Doc one line for listings.
	Name, Doc string
	// URL is http or https, without user and password.
	URL string
	// Method is POST (the default), PUT or PATCH.
	Method string
	// Header is sent with every request. It may hold credentials.
	Header http.Header
	// Timeout is how long one call may take, its repetitions included. The
	// invocation's deadline holds besides.
	Timeout time.Duration
	// MaxResponse is the largest answer in bytes, after decompression; at
	// most 4 MiB.
	MaxResponse int64
	// MaxConcurrent is how many calls one tenant has on their way at once,
	// and an eighth of what all tenants have; further ones wait.
	MaxConcurrent int
	// Idempotent means that a request may be repeated: when the endpoint
	// cannot be reached or answers 502, 503 or 504, there are two more tries.
	Idempotent bool
	// Schema, if not nil, is held against the arguments and the result.
	Schema *platform.Schema
	// Logger is told, at info, why calls end in an UnavailableError. Nil
	// means slog.Default().
	Logger *slog.Logger
}

// ourHeaders are set by the package or by HTTP itself.
var ourHeaders = []string{
	"Accept", "Bulkhead-Deadline", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (o Options) resolve() (Options, *url.URL, error) {
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = DefaultMaxConcurrent
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	// The URL may hold a token: no message repeats it.
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		return o, nil, fmt.Errorf("url is missing")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return o, nil, fmt.Errorf("url must be an http or https URL with a host")
	case u.User != nil:
		return o, nil, fmt.Errorf("url must not hold a user or password; send credentials in a header")
	case u.Fragment != "":
		return o, nil, fmt.Errorf("url must not have a fragment (#)")
	case !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, o.Method):
		return o, nil, fmt.Errorf("method is %q; it must be POST, PUT or PATCH", o.Method)
	case o.Timeout < 0 || o.Timeout > time.Hour:
		return o, nil, fmt.Errorf("timeout is %v; it must be above 0 and at most 1h", o.Timeout)
	case o.MaxResponse < 0 || o.MaxResponse > MaxResponse:
		return o, nil, fmt.Errorf("max_response is %d bytes; it must be 1 to %d", o.MaxResponse, MaxResponse)
	case o.MaxConcurrent < 0 || o.MaxConcurrent > 1024:
		return o, nil, fmt.Errorf("max_concurrent is %d; it must be 1 to 1024", o.MaxConcurrent)
	}
	header := http.Header{}
	for name, values := range o.Header {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !httpguts.ValidHeaderFieldName(name) {
			return o, nil, fmt.Errorf("%q is not the name of a header", name)
		}
		if slices.Contains(ourHeaders, canonical) {
			return o, nil, fmt.Errorf("the header %s is not for the configuration to set", canonical)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) || strings.TrimSpace(v) == "" {
				return o, nil, fmt.Errorf("the value of the header %s is empty or has characters that a header cannot hold", canonical)
			}
			header.Add(canonical, v)
		}
	}
	o.Header = header
	return o, u, nil
}
