package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/platform"
)

const (
	placeholderPrefix = "bh-secret-"
	// maxHeader bounds what a request's headers may become.
	maxHeader = 256 << 10
)

var placeholderForm = regexp.MustCompile(placeholderPrefix + `[a-z2-7]{32}`)

// placeholder stands for a secret of a tenant as long as this process runs.
func (s *Secrets) placeholder(tenant, name string) string {
	mac := hmac.New(sha256.New, s.salt)
	mac.Write([]byte(tenant + "\x00" + name))
	return placeholderPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:20]))
}

// Rewrite puts secrets in place of their placeholders in the values of a
// request's headers, changing header; in an Authorization header of the scheme
// Basic also inside the base64. It is called for each request on its way out,
// also for one that a redirect asks for, with the header as the function gave
// it.
//
// A placeholder is refused where the secret does not name the target's host,
// anywhere in the URL, and when it is none of the tenant's: the error is a
// *platform.Error named PermissionError. Nothing may be sent then.
func (s *Secrets) Rewrite(_ context.Context, tenant, _ string, target *url.URL, header http.Header) error {
	if placeholderForm.MatchString(target.Path) || placeholderForm.MatchString(target.RawQuery) || placeholderForm.MatchString(target.Host) {
		return platform.Errorf("PermissionError", "fetch: a secret's placeholder is in the URL; secrets are sent in headers only")
	}
	var known map[string]record // by placeholder
	size := 0
	for key, values := range header {
		for i, v := range values {
			user, isBasic := basic(key, v)
			text := v
			if isBasic {
				text = user
			}
			if strings.Contains(text, placeholderPrefix) {
				var err error
				if known == nil {
					if known, err = s.placeholders(tenant); err != nil {
						return err
					}
				}
				if text, err = s.replace(tenant, target, text, known, maxHeader-size); err != nil {
					return err
				}
				if isBasic {
					text = "Basic " + base64.StdEncoding.EncodeToString([]byte(text))
				}
				values[i] = text
			}
			if size += len(values[i]); size > maxHeader {
				return platform.TypeErrorf("fetch: the request's headers are over %d KiB with their secrets", maxHeader>>10)
			}
		}
	}
	return nil
}

// basic returns the user and password of an Authorization header that holds a
// placeholder in its base64.
func basic(key, v string) (user string, ok bool) {
	scheme, rest, _ := strings.Cut(v, " ")
	if key != "Authorization" || !strings.EqualFold(scheme, "basic") {
		return "", false
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	return string(text), err == nil && strings.Contains(string(text), placeholderPrefix)
}

// placeholders returns a tenant's secrets by their placeholders.
func (s *Secrets) placeholders(tenant string) (map[string]record, error) {
	all, err := s.read(tenant)
	if err != nil {
		return nil, err
	}
	known := make(map[string]record, len(all))
	for name, r := range all {
		known[s.placeholder(tenant, name)] = r
	}
	return known, nil
}

func (s *Secrets) replace(tenant string, target *url.URL, text string, known map[string]record, most int) (string, error) {
	var out strings.Builder
	at := 0
	for _, found := range placeholderForm.FindAllStringIndex(text, -1) {
		r, ok := known[text[found[0]:found[1]]]
		if !ok {
			return "", platform.Errorf("PermissionError", "fetch: a header holds a secret's placeholder that is not valid: it is of an earlier time, or of a secret that was deleted")
		}
		if !r.covers(target) {
			e := platform.Errorf("PermissionError", "fetch: the secret %s may not be sent to %s://%s, which it does not name", r.Name, target.Scheme, target.Host)
			e.Properties = map[string]any{"secret": r.Name}
			return "", e
		}
		value, err := s.keys.openRecord(tenant, r)
		if err != nil {
			return "", s.unusable(tenant, r.Name, err)
		}
		out.WriteString(text[at:found[0]])
		out.WriteString(value.Reveal())
		if at = found[1]; out.Len() > most {
			return "", platform.TypeErrorf("fetch: the request's headers are over %d KiB with their secrets", maxHeader>>10)
		}
	}
	return out.String() + text[at:], nil
}

// covers tells whether the secret names the URL's host.
func (r record) covers(target *url.URL) bool {
	return slices.ContainsFunc(r.Hosts, func(text string) bool {
		h, err := parseHost(text)
		return err == nil && h.covers(target)
	})
}
