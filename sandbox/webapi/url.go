package webapi

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/nlnwa/whatwg-url/url"
)

var urls = url.NewParser(url.WithAcceptInvalidCodepoints())

// urlRecord is a parsed URL as the getters of class URL give it.
type urlRecord struct {
	Href     string `json:"href"`
	Origin   string `json:"origin"`
	Protocol string `json:"protocol"`
	Username string `json:"username"`
	Password string `json:"password"`
	Host     string `json:"host"`
	Hostname string `json:"hostname"`
	Port     string `json:"port"`
	Pathname string `json:"pathname"`
	Search   string `json:"search"`
	Hash     string `json:"hash"`
}

func record(u *url.Url) urlRecord {
	return urlRecord{
		Href: u.Href(false), Origin: origin(u), Protocol: u.Protocol(), Username: u.Username(), Password: u.Password(),
		Host: u.Host(), Hostname: u.Hostname(), Port: u.Port(), Pathname: u.Pathname(), Search: u.Search(), Hash: u.Hash(),
	}
}

// PlainURLPart cuts a part out of an ipc.PlainURL: its origin, protocol, host,
// hostname, port, path or query, by its number here. Of another text it is
// anything.
func PlainURLPart(text []byte, part int) []byte {
	scheme, rest, _ := bytes.Cut(text, []byte("//"))
	host, _, _ := bytes.Cut(rest, []byte("/"))
	hostname, port, _ := bytes.Cut(host, []byte(":"))
	start := len(text) - len(rest) + len(host)
	path, _, _ := bytes.Cut(text[start:], []byte("?"))
	parts := [...][]byte{text[:start], scheme, host, hostname, port, path, text[start+len(path):]}
	if part < 0 || part >= len(parts) {
		return nil
	}
	return parts[part]
}

func origin(u *url.Url) string {
	switch u.Scheme() {
	case "http", "https", "ws", "wss", "ftp":
		return u.Protocol() + "//" + u.Host()
	case "blob":
		if inner, err := urls.Parse(u.Pathname()); err == nil && (inner.Scheme() == "http" || inner.Scheme() == "https") {
			return origin(inner)
		}
	}
	return "null"
}

// urlParse is parse(input, base or nothing).
func urlParse(a Args) (any, error) {
	u, err := parseURL(a.Text(0), a.Text(1), a.Has(1))
	if err != nil {
		return nil, err
	}
	return record(u), nil
}

func parseURL(input, base string, hasBase bool) (*url.Url, error) {
	var u *url.Url
	var err error
	if hasBase {
		if _, err := urls.Parse(base); err != nil {
			return nil, typeError("Invalid base URL: %s", clip(base))
		}
		u, err = urls.ParseRef(base, input)
	} else {
		u, err = urls.Parse(input)
	}
	if err != nil {
		return nil, typeError("Invalid URL: %s", clip(input))
	}
	return u, nil
}

func clip(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// urlSet is set(href, member, value): the URL after an assignment.
func urlSet(a Args) (any, error) {
	u, err := urls.Parse(a.Text(0))
	if err != nil {
		return nil, typeError("Invalid URL: %s", clip(a.Text(0)))
	}
	value := a.Text(2)
	switch a.Text(1) {
	case "href":
		if u, err = parseURL(value, "", false); err != nil {
			return nil, err
		}
	case "protocol":
		u.SetProtocol(value)
	case "username":
		u.SetUsername(value)
	case "password":
		u.SetPassword(value)
	case "host":
		u.SetHost(value)
	case "hostname":
		u.SetHostname(value)
	case "port":
		u.SetPort(value)
	case "pathname":
		u.SetPathname(value)
	case "search":
		// The library adds to a query that is there.
		u.SetSearch("")
		u.SetSearch(value)
	case "hash":
		u.SetHash(value)
	}
	return record(u), nil
}

type pairs struct {
	Pairs [][2]string `json:"pairs"`
}

// urlQuery is query(text): the pairs of application/x-www-form-urlencoded.
func urlQuery(a Args) (any, error) {
	out := pairs{Pairs: [][2]string{}}
	for name, value := range queryPairs(a.Text(0)) {
		out.Pairs = append(out.Pairs, [2]string{formDecode(name), formDecode(value)})
	}
	return out, nil
}

// QueryGet returns the first value that a query has for a name.
func QueryGet(query, name string) (value string, ok bool) {
	for n, v := range queryPairs(query) {
		if formDecode(n) == name {
			return formDecode(v), true
		}
	}
	return "", false
}

// queryPairs are the names and values of a query, still encoded.
func queryPairs(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for part := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(part, "="); part != "" && !yield(name, value) {
				return
			}
		}
	}
}

func formDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for n := 0; n < len(s); n++ {
		switch c := s[n]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && n+2 < len(s) && isHex(s[n+1]) && isHex(s[n+2]):
			b = append(b, unhex(s[n+1])<<4|unhex(s[n+2]))
			n += 2
		default:
			b = append(b, c)
		}
	}
	return lossy(b)
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|32 >= 'a' && c|32 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 32 - 'a' + 10
}

// urlForm is form(JSON of pairs): application/x-www-form-urlencoded.
func urlForm(a Args) (any, error) {
	var in [][2]string
	if err := json.Unmarshal([]byte(a.Text(0)), &in); err != nil {
		return nil, typeError("not a list of pairs")
	}
	var b strings.Builder
	for n, p := range in {
		if n > 0 {
			b.WriteByte('&')
		}
		formEncode(&b, p[0])
		b.WriteByte('=')
		formEncode(&b, p[1])
	}
	return b.String(), nil
}

func formEncode(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for n := 0; n < len(s); n++ {
		switch c := s[n]; {
		case c == ' ':
			b.WriteByte('+')
		case c >= '0' && c <= '9', c|32 >= 'a' && c|32 <= 'z', strings.IndexByte("*-._", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
}

// WellFormed turns text as QuickJS encodes it, with lone surrogates as three
// bytes each, into UTF-8 with U+FFFD in their place.
func WellFormed(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= 3 && b[0] == 0xed && b[1] >= 0xa0 {
			n = 3
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}
