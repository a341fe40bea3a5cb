package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// target is where one request goes: a URL in the one spelling that the policy
// sees and the dialer uses.
type target struct {
	url  *url.URL // Host is host:port, or the host alone at the default port
	host string   // as in policies.Attributes
	port int
}

func (t target) attributes(method string) policies.Attributes {
	return policies.Attributes{Scheme: t.url.Scheme, Host: t.host, Port: t.port, Method: method, Path: t.url.Path}
}

// origin is what must stay the same for credentials to be sent on.
func (t target) origin() string {
	return t.url.Scheme + "://" + net.JoinHostPort(t.host, strconv.Itoa(t.port))
}

func parseTarget(raw string) (target, error) {
	if len(raw) > maxURL {
		return target{}, platform.TypeErrorf("the URL is over %d KiB", maxURL>>10)
	}
	raw = strings.Trim(raw, " \t\r\n")
	if !utf8.ValidString(raw) || strings.ContainsFunc(raw, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r == '\\'
	}) {
		return target{}, invalidURL("it holds characters that it may not")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, invalidURL("it cannot be parsed")
	}
	return newTarget(u)
}

// newTarget checks an absolute URL and spells it in the one way.
func newTarget(u *url.URL) (target, error) {
	u = &url.URL{
		Scheme: strings.ToLower(u.Scheme), User: u.User, Host: u.Host, Opaque: u.Opaque,
		Path: u.Path, RawPath: u.RawPath, RawQuery: escapeQuery(u.RawQuery),
	}
	switch {
	case u.Scheme == "":
		return target{}, invalidURL("it must begin with https:// or http://")
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, platform.TypeErrorf("the scheme %s is not supported; only http and https are", short(u.Scheme))
	case u.User != nil:
		return target{}, invalidURL("it holds a user name or password; use the Authorization header")
	case u.Opaque != "" || u.Host == "":
		return target{}, invalidURL("it has no host")
	}
	host, err := canonicalHost(u.Host, u.Hostname())
	if err != nil {
		return target{}, err
	}
	t := target{url: u, host: host, port: 80}
	if u.Scheme == "https" {
		t.port = 443
	}
	standard := t.port
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return target{}, invalidURL("the port must be from 1 to 65535")
		}
		t.port = int(n)
	}
	u.Host = host
	if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if t.port != standard {
		u.Host = net.JoinHostPort(host, strconv.Itoa(t.port))
	}
	if err := setPath(u); err != nil {
		return target{}, err
	}
	return t, nil
}

// setPath resolves the path's dot segments, escaped or not, as browsers do. The
// path that the policy sees is the one without escapes: where that would have
// dot segments again, or holds what servers disagree about, the URL is refused.
func setPath(u *url.URL) error {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".":
			if last {
				kept = append(kept, "")
			}
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	escaped := "/" + strings.Join(kept, "/")
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return invalidURL("its path cannot be parsed")
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return invalidURL("its path hides dot segments behind escapes")
		}
	}
	u.Path, u.RawPath = path, escaped
	return nil
}

var (
	hostLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	// numeric is a last label that other software would read as an address.
	numeric = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)
)

// canonicalHost returns the host in lower case and ASCII, an address in its
// usual form, without brackets, zone or trailing dot.
func canonicalHost(hostport, host string) (string, error) {
	if strings.HasPrefix(hostport, "[") {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", invalidURL("its IPv6 address is not valid")
		}
		return a.Unmap().String(), nil
	}
	ascii := true
	for i := range len(host) {
		ascii = ascii && host[i] < utf8.RuneSelf
	}
	if !ascii {
		var err error
		if host, err = idna.Lookup.ToASCII(host); err != nil {
			return "", invalidURL("its host is not a valid name")
		}
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > 253 {
		return "", invalidURL("its host is not a valid name")
	}
	var label string
	for label = range strings.SplitSeq(host, ".") {
		if !hostLabel.MatchString(label) {
			return "", invalidURL("its host is not a valid name")
		}
	}
	if numeric.MatchString(label) {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return "", invalidURL("its IPv4 address must be four decimal numbers")
		}
		return a.String(), nil
	}
	return host, nil
}

// escapeQuery encodes what may not stand in a request line.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\'' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func invalidURL(reason string) error {
	return platform.TypeErrorf("the URL is not valid: %s", reason)
}

// short quotes a tenant's text, cut where it would swell a message.
func short(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
