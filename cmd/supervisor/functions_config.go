package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// functionsConfig says how functions answer HTTP requests, on a listener of their
// own.
type functionsConfig struct {
	Listen      string                `yaml:"listen"`
	Hosts       map[string]string     `yaml:"hosts"` // TENANT/FUNCTION by host name
	Domain      string                `yaml:"domain"`
	Paths       *bool                 `yaml:"paths"`
	Public      *bool                 `yaml:"public"`
	Proxies     []string              `yaml:"proxies"`
	MaxBody     size                  `yaml:"max_body"`
	Compression *bool                 `yaml:"compression"`
	CORS        map[string]corsConfig `yaml:"cors"` // by TENANT/FUNCTION, or * for the others
}

type corsConfig struct {
	Origins     []string `yaml:"origins"`
	Methods     []string `yaml:"methods"`
	Headers     []string `yaml:"headers"`
	Exposed     []string `yaml:"exposed"`
	Credentials bool     `yaml:"credentials"`
	MaxAge      duration `yaml:"max_age"`
}

var hostForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// options checks the section. Every fault is told.
func (c functionsConfig) options() (gateway.FunctionOptions, error) {
	o := gateway.FunctionOptions{
		Domain: c.Domain, MaxBody: int64(c.MaxBody), NoPaths: isFalse(c.Paths), NoPublic: isFalse(c.Public), NoCompression: isFalse(c.Compression),
	}
	var problems []outcome.Problem
	wrong := func(field, format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: "functions." + field, Reason: fmt.Sprintf(format, args...)})
	}
	named := func(field, text string) gateway.FunctionName {
		tenant, function, err := splitName(text)
		if err != nil {
			wrong(field, "%q is not TENANT/FUNCTION", text)
		}
		return gateway.FunctionName{Tenant: tenant, Function: function}
	}
	if c.Domain != "" && !hostForm.MatchString(c.Domain) {
		wrong("domain", "%q is not a host name in lower case", c.Domain)
	}
	o.Hosts = make(map[string]gateway.FunctionName, len(c.Hosts))
	for _, host := range slices.Sorted(maps.Keys(c.Hosts)) {
		if !hostForm.MatchString(host) {
			wrong("hosts", "%q is not a host name in lower case, without a port", host)
		}
		o.Hosts[host] = named("hosts."+host, c.Hosts[host])
	}
	for _, text := range c.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil {
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if err != nil {
			wrong("proxies", "%q is neither an address nor a network like 10.0.0.0/8", text)
		}
		o.Proxies = append(o.Proxies, p)
	}
	o.CORS = make(map[gateway.FunctionName]gateway.CORS, len(c.CORS))
	for _, name := range slices.Sorted(maps.Keys(c.CORS)) {
		r := c.CORS[name]
		if len(r.Origins) == 0 {
			wrong("cors."+name, "it names no origins")
		}
		if r.Credentials && slices.ContainsFunc(r.Origins, func(o string) bool { return strings.Contains(o, "*") }) {
			wrong("cors."+name, "credentials go with origins that are named in full")
		}
		var key gateway.FunctionName
		if name != "*" {
			key = named("cors."+name, name)
		}
		o.CORS[key] = gateway.CORS{
			Origins: r.Origins, Methods: r.Methods, Headers: r.Headers, Exposed: r.Exposed,
			Credentials: r.Credentials, MaxAge: int(time.Duration(r.MaxAge).Seconds()),
		}
	}
	if len(problems) > 0 {
		return o, &outcome.Error{Outcome: outcome.Invalid, Detail: "the configuration is wrong", Problems: problems}
	}
	return o, nil
}

func isFalse(b *bool) bool { return b != nil && !*b }

func functionsFlag() cli.Flag {
	return &cli.StringFlag{Name: "functions-listen", Usage: "`ADDR` where functions answer HTTP requests (default: nowhere)"}
}

// openFunctions opens the functions' listener; nil when there is to be none. The
// caller closes it.
func openFunctions(addr string, exposed bool) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := gateway.Listen(addr, exposed)
	var e *outcome.Error
	if errors.As(err, &e) {
		e.Remedy = strings.ReplaceAll(e.Remedy, "--listen", "--functions-listen")
	}
	return ln, err
}

// serveAll serves the API with the functions beside it, until ctx ends or one of
// them fails.
func (a *access) serveAll(ctx context.Context, g *gateway.Server, ln, admin, functions net.Listener) error {
	if functions == nil {
		return a.serve(ctx, g, ln, admin)
	}
	return bothServe(ctx, func(ctx context.Context) error { return a.serve(ctx, g, ln, admin) },
		func(ctx context.Context) error { return g.ServeFunctions(ctx, functions) })
}

// bothServe runs two servers until ctx ends or one of them fails.
func bothServe(ctx context.Context, one, other func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	for _, serve := range []func(context.Context) error{one, other} {
		go func() {
			defer cancel()
			ended <- serve(ctx)
		}()
	}
	return errors.Join(<-ended, <-ended)
}
