package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// deploysAtOnce is how many functions of a folder are on their way at once: as
// many as a server checks.
const deploysAtOnce = 4

// deployFolder deploys all functions of a folder. What flags set goes before
// the folder's settings.
func deployFolder(t *terminal, c *cli.Context, api *client.Client, tenant, dir string, flags client.FunctionSettings) error {
	if !isDir(dir) {
		if tenant == "" {
			return &usageError{message: "missing PATH", hint: "usage: " + c.Command.HelpName + " " + c.Command.ArgsUsage}
		}
		return &usageError{message: fmt.Sprintf("%q is not TENANT/FUNCTION, and %s is not a folder of functions", tenant, dir), hint: fmt.Sprintf("write %s/%s for one function", tenant, functionName(dir))}
	}
	p, err := openProject(dir)
	if err != nil {
		return err
	}
	if tenant = cmp.Or(tenant, p.Tenant); tenant == "" {
		return &usageError{message: "nothing says which tenant the functions of " + dir + " are for", hint: "supervisor deploy TENANT " + dir + ", or write tenant: NAME into its " + projectName}
	}
	if len(p.Functions) == 0 {
		return &usageError{message: "there are no functions in " + dir, hint: "save one there as NAME.js or NAME.ts, or make one with: supervisor init " + dir}
	}
	// What is wrong with all of them is said once.
	if _, err := api.Tenant(c.Context, tenant); err != nil {
		return err
	}
	if len(p.Env)+len(p.Secrets) > 0 && !t.json {
		t.notef("env and secrets of %s are for dev and test; the server's are set with supervisor env set and supervisor secret set", projectName)
	}
	var shipments []*shipment
	for _, name := range p.names() {
		shipments = append(shipments, p.shipment(tenant, name, flags))
	}
	return shipAll(t, c, api, shipments)
}

// shipment is a function of a folder on its way to a tenant.
func (p *projectDir) shipment(tenant, name string, flags client.FunctionSettings) *shipment {
	f := p.Functions[name]
	s := flags
	s.Memory = cmp.Or(s.Memory, int64(f.Memory))
	s.Timeout, s.CPU = cmp.Or(s.Timeout, time.Duration(f.Timeout)), cmp.Or(s.CPU, time.Duration(f.CPU))
	s.Concurrency = cmp.Or(s.Concurrency, f.Concurrency)
	s.Isolation, s.Policy = cmp.Or(s.Isolation, f.Isolation), cmp.Or(s.Policy, f.Policy)
	s.Public = s.Public || f.Public
	to := &shipment{tenant: tenant, function: name, path: p.shown(f.Path), settings: s}
	if f.Assets != "" {
		to.assets = p.shown(f.Assets)
	}
	return to
}

// shipAll deploys functions, a few at a time, and tells of each as it ends.
func shipAll(t *terminal, c *cli.Context, api *client.Client, shipments []*shipment) error {
	started := time.Now()
	t.lines = true
	p := t.progress()
	errs := make([]error, len(shipments))
	room := make(chan struct{}, deploysAtOnce)
	var under sync.WaitGroup
	for i, s := range shipments {
		room <- struct{}{}
		under.Go(func() {
			defer func() { <-room }()
			errs[i] = s.shipAlone(t, c, api, p)
		})
	}
	under.Wait()
	p.close()
	var failed []string
	exit := 0
	for i, s := range shipments {
		if errs[i] != nil {
			failed = append(failed, s.function)
			exit = cmp.Or(exit, exitCode(errs[i]))
		}
	}
	if !t.json {
		text := fmt.Sprintf("deployed %d of %s in %.1f s", len(shipments)-len(failed), count(uint64(len(shipments)), "function"), time.Since(started).Seconds())
		if len(failed) > 0 {
			text += t.paint(t.outTTY, red, "; failed: "+strings.Join(failed, ", "))
		}
		t.printf("%s", text)
	}
	if exit != 0 {
		return exitStatus(exit)
	}
	return nil
}

// shipAlone deploys one of several functions, and says so in one piece.
func (s *shipment) shipAlone(t *terminal, c *cli.Context, api *client.Client, p *progress) error {
	var out, errs bytes.Buffer
	own := *t
	own.out, own.err = &out, &errs
	defer func() { p.print(out.Bytes(), errs.Bytes()) }()
	err := c.Context.Err()
	if err != nil {
		err = &outcome.Error{Outcome: outcome.Canceled, Detail: "it was not begun before the command was ended", Remedy: "run the command again: what is deployed already costs nothing", Err: err}
	}
	var d *deployed
	if err == nil {
		d, err = s.ship(c, &own, api, p)
	}
	switch {
	case err != nil:
		about := own.describe(err)
		about.Tenant, about.Function = s.tenant, s.function
		if t.json {
			_ = own.document(struct {
				Tenant   string  `json:"tenant"`
				Function string  `json:"function"`
				Error    failure `json:"error"`
			}{s.tenant, s.function, about}) // into memory
			return err
		}
		own.failure(about)
		return err
	case t.json:
		return own.document(d)
	}
	own.printf("%s", d.line(s.settings.NoLive))
	return nil
}
