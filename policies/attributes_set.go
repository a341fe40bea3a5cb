package policies

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// attributeNames are the attributes that a person may write, as in a policy's
// cases.
var attributeNames = []string{"scheme", "host", "port", "method", "path", "statement", "tables", "key", "prefix", "size", "name", "tenant", "function"}

// Set sets one attribute from its name and its value as text: "port" and
// "443", "size" and "64KiB" or "unknown". For tables it adds one.
func (a *Attributes) Set(name, value string) error {
	reason, suggestion := a.set(name, value)
	switch {
	case reason == "":
		return nil
	case suggestion != "":
		return fmt.Errorf("%s; did you mean %q?", reason, suggestion)
	}
	return fmt.Errorf("%s", reason)
}

// SetURL sets scheme, host, port and path as fetch has them for a URL.
func (a *Attributes) SetURL(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s is not a URL", quote(value))
	}
	port, path := u.Port(), u.EscapedPath()
	if port == "" {
		port = strconv.Itoa(map[string]int{"http": 80, "https": 443}[u.Scheme])
	}
	if path == "" {
		path = "/"
	}
	for _, p := range [][2]string{{"scheme", u.Scheme}, {"host", u.Hostname()}, {"port", port}, {"path", path}} {
		if err := a.Set(p[0], p[1]); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attributes) set(name, value string) (reason, suggestion string) {
	word := func(to *string, words []string) {
		if *to = value; !slices.Contains(words, value) {
			reason, suggestion = fmt.Sprintf("unknown %s %s; it must be one of %s", name, quote(value), strings.Join(words, ", ")), nearest(value, words)
		}
	}
	switch name {
	case "scheme":
		word(&a.Scheme, schemes)
	case "host":
		a.Host = strings.TrimSuffix(strings.ToLower(value), ".")
		if ip, err := netip.ParseAddr(strings.Trim(a.Host, "[]")); err == nil {
			a.Host = ip.Unmap().String()
		} else if a.Host == "" || strings.ContainsAny(a.Host, "/:*@ ") {
			reason = fmt.Sprintf("%s is not a host alone", quote(value))
		}
	case "port":
		port, err := strconv.ParseUint(value, 10, 16)
		if a.Port = int(port); err != nil || port == 0 {
			reason = "port must be a number from 1 to 65535"
		}
	case "method":
		a.Method = strings.ToUpper(value)
	case "path":
		if a.Path = value; !strings.HasPrefix(value, "/") {
			reason = fmt.Sprintf("path %s must begin with /", quote(value))
		}
	case "statement":
		word(&a.Statement, statements)
	case "tables":
		a.Tables = append(a.Tables, strings.ToLower(value))
	case "key":
		a.Key = value
	case "prefix":
		if a.Prefix = value == "true"; value != "true" && value != "false" {
			reason = "prefix must be true or false"
		}
	case "size":
		size, ok := parseSize(value)
		if value == "unknown" {
			size, ok = -1, true
		}
		if a.Size = size; !ok {
			reason = fmt.Sprintf("size %s must be written like 512, 64KiB or 5MiB, or be unknown", quote(value))
		}
	case "name":
		a.Name = value
	case "tenant":
		a.Tenant = value
	case "function":
		a.Function = value
	default:
		return fmt.Sprintf("unknown attribute %s; there are %s", quote(name), strings.Join(attributeNames, ", ")), nearest(name, attributeNames)
	}
	return reason, suggestion
}

// list writes the attributes that a call has, each as " name=value".
func (a *Attributes) list() string {
	var b strings.Builder
	add := func(name string, value any, given bool) {
		if given {
			fmt.Fprintf(&b, " %s=%v", name, value)
		}
	}
	add("scheme", a.Scheme, a.Scheme != "")
	add("host", a.Host, a.Host != "")
	add("port", a.Port, a.Port != 0)
	add("method", a.Method, a.Method != "")
	add("path", a.Path, a.Path != "")
	add("statement", a.Statement, a.Statement != "")
	for _, t := range a.Tables {
		add("tables", t, true)
	}
	add("key", a.Key, a.Key != "")
	add("prefix", a.Prefix, a.Prefix)
	add("size", formatSize(a.Size), a.Size > 0)
	add("size", "unknown", a.Size < 0)
	add("name", a.Name, a.Name != "")
	return b.String()
}
