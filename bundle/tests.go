package bundle

import (
	_ "embed"
	"encoding/json"
	"errors"

	"github.com/evanw/esbuild/pkg/api"
)

// Tests makes a file of tests a function that runs them. The file, and what it
// imports, can import bulkhead:test, by which tests are written; node:test is
// another name of it. The function takes {filter, timeout, real} as its event,
// and tells of each test by calling the platform API [ReportAPI] with one
// string of JSON.
type Tests struct {
	// APIs are the platform APIs. Unless the event says real, a call of one
	// fails that no stub takes.
	APIs []TestAPI
}

// TestAPI is a platform API as tests know it.
type TestAPI struct {
	Name string `json:"name"`
	// Sync says that it returns its value instead of a promise.
	Sync bool `json:"sync"`
}

// ReportAPI is the platform API by which a function of tests tells how they
// go. The tests themselves do not see it.
const ReportAPI = "bulkheadTestReport"

//go:embed testlib/test.js
var testLibrary string

//go:embed testlib/stubs.js
var stubLibrary string

// errNoTest is for functions that import what only tests can.
var errNoTest = errors.New("bulkhead:test is there for tests only; write them in a file NAME.test.js or NAME.test.ts, and run `supervisor test`")

// resolveTest resolves the modules that tests have beside functions.
func (p *plugin) resolveTest(name string) (api.OnResolveResult, bool, error) {
	switch name {
	case "test", "test-stubs", "test-setup":
	default:
		return api.OnResolveResult{}, false, nil
	}
	if p.test == nil {
		return api.OnResolveResult{}, true, errNoTest
	}
	return api.OnResolveResult{Path: name, Namespace: namespace, SideEffects: api.SideEffectsTrue}, true, nil
}

// testModule is the text of one of them.
func (p *plugin) testModule(name string) (text string, ok bool) {
	switch {
	case p.test == nil:
		return "", false
	case name == "test":
		return testLibrary, true
	case name == "test-stubs":
		return stubLibrary, true
	case name == "test-setup":
		// A list of names and flags always has a JSON form.
		apis, _ := json.Marshal(p.test.APIs)
		return "import { install } from 'bulkhead:test-stubs';\ninstall(" + string(apis) + ", '" + ReportAPI + "');\n", true
	}
	return "", false
}
