package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
)

// What a person does with versions, from the first deploy to the rollback.
func TestVersionsAtTheCommandLine(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "shop", "--policy", "data")
	deploy := func(text string, flags ...string) string {
		t.Helper()
		var f client.Function
		args := append([]string{"deploy", "shop/cart", write(t, "cart.js", text), "--json"}, flags...)
		if err := json.Unmarshal([]byte(d.ok(args...)), &f); err != nil {
			t.Fatal(err)
		}
		return f.Version
	}
	returns := func(name, want string, flags ...string) {
		t.Helper()
		if got := strings.TrimSpace(d.ok(append([]string{"invoke", name}, flags...)...)); got != want {
			t.Errorf("%s %v returned %s, want %s", name, flags, got, want)
		}
	}
	says := func(want string, args ...string) {
		t.Helper()
		if got := d.ok(args...); !strings.Contains(got, want) {
			t.Errorf("%q printed %q, want %q", args, got, want)
		}
	}
	refuses := func(want string, args ...string) {
		t.Helper()
		if c := d.run(args...); c.exit != 2 || !strings.Contains(c.stderr, want) {
			t.Errorf("%q: exit %d, %q; want 2, %q", args, c.exit, c.stderr, want)
		}
	}
	says("REGION=eu", "env", "set", "shop", "REGION=eu")
	one := deploy("() => env.get('REGION') + 1")
	two := deploy("() => env.get('REGION') + 2\n", "--no-live", "--alias", "staging", "--timeout", "1s")
	returns("shop/cart", `"eu1"`)
	returns("shop/cart@staging", `"eu2"`)
	returns("shop/cart", `"eu2"`, "--version", two[:8])
	says("staging", "versions", "shop/cart")
	says(two[:12], "alias", "list", "shop/cart")
	says("timeout: 5s -> 1s", "diff", "shop/cart", "live", "staging")
	says("+() => env.get('REGION') + 2", "diff", "shop/cart", "live", "staging")

	says("staging", "versions", "shop/cart", "--json")
	says("90 %", "split", "set", "shop/cart", "live=90", "staging=10", "--rollback-errors", "5%", "--rollback-window", "30s")
	says("the split ends when more than 5%", "versions", "shop/cart")
	says("live version", "split", "clear", "shop/cart")
	says("is version "+two[:12], "alias", "set", "shop/cart", "live", "staging")
	returns("shop/cart", `"eu2"`)

	// New variables make a new version; a rollback brings the old ones back.
	d.ok("env", "set", "shop", "REGION=us")
	returns("shop/cart", `"us2"`)
	returns("shop/cart@staging", `"eu2"`)
	says("env.REGION: eu -> us", "diff", "shop/cart")
	says("version "+two[:12]+" is live", "rollback", "shop/cart")
	returns("shop/cart", `"eu2"`)
	says("version "+one[:12]+" is live", "rollback", "shop/cart", one[:6])
	returns("shop/cart", `"eu1"`)
	says("deleted shop/cart@staging", "alias", "delete", "shop/cart", "staging")

	refuses("supervisor versions shop/cart", "rollback", "shop/cart", "00000000")
	refuses("they are 99 %", "split", "set", "shop/cart", "live=90", two[:8]+"=9")
	refuses("live=90 staging=10", "split", "set", "shop/cart", "live", two[:8])
	refuses("reads as a version", "alias", "set", "shop/cart", "beef", "live")
	refuses("in use", "alias", "delete", "shop/cart", "live")
	refuses("need --rollback-errors", "split", "set", "shop/cart", "live=90", two[:8]+"=10", "--rollback-min", "5")
	refuses("no version or alias", "invoke", "shop/cart@staging")

	for path, want := range map[string]int{
		"/versions/" + two[:8] + "/invoke":          200,
		"/invoke?version=" + two[:8]:                200,
		"/invoke?version=":                          400,
		"/versions/" + strings.Repeat("0", 64):      405,
		"/versions/00000000/invoke":                 404,
		"/invoke?version=live&version=" + two[:8]:   400,
		"@" + two[:8] + "/invoke":                   200,
		"/versions/" + two[:8] + "/invoke?detail=1": 400,
	} {
		r, err := http.Post(d.url+"/v1/tenants/shop/functions/cart"+path, "application/json", strings.NewReader("null"))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want || want == 200 && r.Header.Get("Bulkhead-Version") != two {
			t.Errorf("POST %s: %d, version %s; want %d", path, r.StatusCode, r.Header.Get("Bulkhead-Version"), want)
		}
	}
	api, err := client.New(d.url)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if v, err := api.Version(t.Context(), "shop", "cart", two[:8], true); err != nil || !strings.Contains(v.Code, "+ 2") || v.Version != two {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := api.Version(t.Context(), "shop", "cart", "live", false); err != nil || v.Code != "" || v.Weight != 100 || v.EnvironmentDigest == "" {
		t.Errorf("%+v, %v", v, err)
	}
}
