package secrets

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

var hostLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// host is where a secret may go.
type host struct {
	scheme string
	name   string // lower case, ASCII
	wild   bool   // any name below it
	port   string
}

// parseHost reads "api.example.com", "*.example.com" or "[::1]", with ":port"
// if it is not 443, or with "http://" before it to allow a connection that is
// not encrypted, then on port 80 if none is given.
func parseHost(s string) (host, error) {
	wrong := func() (host, error) {
		return host{}, fmt.Errorf("host %.100q: %w: write it like api.example.com, *.example.com:8443 or http://localhost:8080", s, store.ErrInvalid)
	}
	h := host{scheme: "https", port: "443"}
	rest := s
	if r, ok := strings.CutPrefix(rest, "http://"); ok {
		h.scheme, h.port, rest = "http", "80", r
	} else {
		rest = strings.TrimPrefix(rest, "https://")
	}
	if r, ok := strings.CutPrefix(rest, "*."); ok {
		h.wild, rest = true, r
	}
	u, err := url.Parse(h.scheme + "://" + rest)
	if err != nil || u.Host != rest || u.Hostname() == "" {
		return wrong()
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return wrong()
		}
		h.port = strings.TrimLeft(p, "0")
	}
	h.name = u.Hostname()
	if a, err := netip.ParseAddr(h.name); err == nil {
		if h.wild || a.Zone() != "" {
			return wrong()
		}
		h.name = a.Unmap().String()
		return h, nil
	}
	if h.name, err = idna.Lookup.ToASCII(strings.TrimSuffix(h.name, ".")); err != nil {
		return wrong()
	}
	h.name = strings.ToLower(h.name)
	for label := range strings.SplitSeq(h.name, ".") {
		if !hostLabel.MatchString(label) {
			return wrong()
		}
	}
	return h, nil
}

// String is the one spelling of a host, which parseHost reads.
func (h host) String() string {
	name := h.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if h.wild {
		name = "*." + name
	}
	standard := "443"
	if h.scheme == "http" {
		name, standard = "http://"+name, "80"
	}
	if h.port != standard {
		name += ":" + h.port
	}
	return name
}

// covers tells whether a request to the URL goes to the host.
func (h host) covers(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	if !strings.EqualFold(u.Scheme, h.scheme) || port != h.port {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if h.wild {
		below, ok := strings.CutSuffix(name, "."+h.name)
		return ok && below != ""
	}
	return name == h.name
}
