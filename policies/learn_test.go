package policies_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func learn(t testing.TB, calls []policies.Call) (*policies.Policy, string) {
	t.Helper()
	doc, err := policies.Learn("learned", calls)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policies.Parse("learned.yaml", doc, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	return p, string(doc)
}

func TestLearn(t *testing.T) {
	fetch := func(method, host, path string) policies.Call {
		return policies.Call{API: "fetch", Attributes: policies.Attributes{Scheme: "https", Host: host, Port: 443, Method: method, Path: path}}
	}
	db := func(statement string, tables ...string) policies.Call {
		return policies.Call{API: "db.query", Attributes: policies.Attributes{Statement: statement, Tables: tables}}
	}
	calls := []policies.Call{
		{API: "log"}, {API: "log"},
		fetch("GET", "api.example.com", "/v1/users/1"), fetch("GET", "api.example.com", "/v1/users/2"), fetch("POST", "api.example.com", "/v1/users"),
		fetch("GET", "a.example.org", "/"), fetch("GET", "b.example.org", "/"),
		db("select", "orders", "users"), db("select", "orders"), db("insert", "orders"), db("select"),
		{API: "kv.get", Attributes: policies.Attributes{Key: "user/1"}}, {API: "kv.get", Attributes: policies.Attributes{Key: "user/2"}},
		{API: "kv.put", Attributes: policies.Attributes{Key: "user/2", Size: 700}},
		{API: "queue.send", Attributes: policies.Attributes{Name: "mail", Size: 10}},
		{API: "queue.send", Attributes: policies.Attributes{Name: "no", Size: 3}},
	}
	_, doc := learn(t, calls)
	const want = `version: 1
name: learned
description: Learned from 16 calls
default: deny
rules:
  # 1 call
  - api: db.query
    action: allow
    when:
      statement: insert
      table: orders
  # 2 calls: orders 2, users 1
  - api: db.query
    action: allow
    when:
      statement: select
      table: [orders, users]
  # 1 call
  - api: db.query
    action: allow
    when:
      statement: select
    cel: tables == [] # statements that touch no table
  # 2 calls
  - api: fetch
    action: allow
    when:
      scheme: https
      host: [a.example.org, b.example.org]
      port: 443
      method: GET
      path: /
  # 3 calls: GET 2, POST 1
  - api: fetch
    action: allow
    when:
      scheme: https
      host: api.example.com
      port: 443
      method: [GET, POST]
      path: /v1/users
  # 2 calls
  - api: kv.get
    action: allow
    when:
      key: user/
  # 1 call
  - api: kv.put
    action: allow
    when:
      key: user/2
      size: 1KiB
  # 2 calls
  - api: log
    action: allow
  # 2 calls: mail 1, "no" 1
  - api: queue.send
    action: allow
    when:
      size: 64B
      name: [mail, "no"]
`
	if doc != want {
		t.Errorf("got\n%s", doc)
	}
}

// Whatever was done is allowed, and what nobody did is not.
func TestLearnAllowsWhatWasDoneOnly(t *testing.T) {
	words := []string{"a", "b", "orders", "Users", "x y", "é", "*", "a*", "yes", "1", "a/b", "a:b:c", "a/b/c", "\n", "\xff", strings.Repeat("k", 1100)}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 11))
		var calls []policies.Call
		for range 1 + r.IntN(40) {
			var c policies.Call
			switch c.API = pick(r, []string{"log", "fetch", "db.query", "kv.put", "queue.send"}); c.API {
			case "fetch":
				c.Attributes = policies.Attributes{
					Scheme: pick(r, []string{"https", "http"}), Host: pick(r, []string{"a.example", "b.example", "::1", "10.0.0.1", "xn--bcher-kva.example"}), Port: pick(r, []int{80, 443}),
					Method: pick(r, []string{"GET", "POST", "PROPFIND"}), Path: "/" + pick(r, []string{"", "a", "a/b", "a/c", "a/..%2e/z", "a b/%2e%2e/é", "\xffx", "b/", "b//c", "a;x", "q*", `a\b`}),
				}
			case "db.query":
				c.Attributes.Statement = pick(r, []string{"select", "insert"})
				for range r.IntN(3) {
					c.Attributes.Tables = append(c.Attributes.Tables, strings.ToLower(pick(r, words)))
				}
			case "kv.put":
				c.Attributes = policies.Attributes{Key: pick(r, words), Size: int64(r.IntN(5000)) - 1}
			case "queue.send":
				c.Attributes = policies.Attributes{Name: pick(r, words), Size: int64(r.IntN(100))}
			}
			calls = append(calls, c)
		}
		p, doc := learn(t, calls)
		for _, c := range calls {
			if !p.Evaluate(c.API, c.Attributes).Allowed {
				t.Fatalf("seed %d: %+v is not allowed by\n%s", seed, c, doc)
			}
			for what, change := range map[string]func(*policies.Call){
				"API":       func(c *policies.Call) { c.API += ".x" },
				"scheme":    func(c *policies.Call) { c.Attributes.Scheme = "ftp" },
				"host":      func(c *policies.Call) { c.Attributes.Host = "other.example" },
				"port":      func(c *policies.Call) { c.Attributes.Port = 8080 },
				"statement": func(c *policies.Call) { c.Attributes.Statement = "drop" },
				"no host":   func(c *policies.Call) { c.Attributes.Host = "" },
			} {
				changed := c
				if change(&changed); (what == "API" || what == "statement" && c.API == "db.query" || c.API == "fetch" && what != "statement") &&
					p.Evaluate(changed.API, changed.Attributes).Allowed {
					t.Fatalf("seed %d: another %s is allowed: %+v by\n%s", seed, what, changed, doc)
				}
			}
			// Conditions that could be written keep others out.
			changed := c
			changed.Attributes.Tables = append([]string{"never"}, c.Attributes.Tables...)
			changed.Attributes.Name, changed.Attributes.Key = "never", "never"
			if c.API != "log" && c.API != "fetch" && !strings.Contains(doc, "no condition") && p.Evaluate(changed.API, changed.Attributes).Allowed {
				t.Fatalf("seed %d: %+v is allowed by\n%s", seed, changed, doc)
			}
			changed = c
			changed.Attributes.Size = 1 << 20
			if c.Attributes.Size > 0 && p.Evaluate(changed.API, changed.Attributes).Allowed && !unknownSize(calls, c.API) {
				t.Fatalf("seed %d: %+v is allowed by\n%s", seed, changed, doc)
			}
		}
	}
}

// unknownSize reports whether a call of api wrote nobody knows how much, or
// nothing, so that its rule sets no bound.
func unknownSize(calls []policies.Call, api string) bool {
	for _, c := range calls {
		if c.API == api && c.Attributes.Size <= 0 {
			return true
		}
	}
	return false
}

func TestLearnRefuses(t *testing.T) {
	for _, c := range []policies.Call{
		{API: ""}, {API: "kv.*"}, {API: "a b"},
		{API: "fetch", Attributes: policies.Attributes{Host: "a b"}}, {API: "fetch", Attributes: policies.Attributes{Host: "*.a"}},
		{API: "fetch", Attributes: policies.Attributes{Scheme: "ftp"}}, {API: "fetch", Attributes: policies.Attributes{Port: 70000}},
		{API: "db.query", Attributes: policies.Attributes{Statement: "explode"}},
	} {
		if doc, err := policies.Learn("x", []policies.Call{{API: "log"}, c}); err == nil || !strings.HasPrefix(err.Error(), "call 2: ") {
			t.Errorf("%+v: got %s, %v", c, doc, err)
		}
	}
	if _, err := policies.Learn("Bad Name", nil); err == nil {
		t.Error("a name that is none was taken")
	}
	var many []policies.Call
	for i := range 400 {
		many = append(many, policies.Call{API: "fetch", Attributes: policies.Attributes{Host: fmt.Sprintf("h%d.example", i), Port: i + 1}})
	}
	if _, err := policies.Learn("x", many); err == nil || !strings.Contains(err.Error(), "differ too much") {
		t.Errorf("got %v", err)
	}
	if doc, err := policies.Learn("empty", nil); err != nil || !strings.Contains(string(doc), "Learned from 0 calls") {
		t.Errorf("got %s, %v", doc, err)
	}
	var c policies.Call
	if err := json.Unmarshal([]byte(`{"time":"x","api":"fetch","attributes":{"host":"a.example","port":443,"tables":["a"]}}`), &c); err != nil || c.Attributes.Port != 443 {
		t.Errorf("a line of the audit log is not a call: %+v, %v", c, err)
	}
}
