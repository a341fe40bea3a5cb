package sandbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const benchSource = `async (event) => ({ sum: event.a + event.b, name: event.name.toUpperCase() })`
const benchEvent = `{"a":1,"b":2,"name":"bulkhead"}`

// bundle returns a module of about size bytes that looks like what a bundler
// makes of an application: classes, closures, tables and texts, of which an
// invocation uses a few. Its answer is the same as benchSource's.
func bundle(size int) string {
	var s strings.Builder
	n := 0
	for ; s.Len() < size; n++ {
		fmt.Fprintf(&s, `
class Entity%[1]d extends %[2]s {
  static kind = "entity-%[1]d";
  #state = new Map();
  constructor(options = {}) { super(options); this.options = { retries: %[1]d, label: "item %[1]d", ...options }; }
  get size() { return this.#state.size; }
  set(key, value) { if (typeof key !== "string") throw new TypeError("Entity%[1]d: key must be a string, got " + typeof key); this.#state.set(key, value); return this; }
  render(rows) { return rows.filter((row) => row.id %% %[3]d === 0).map((row) => `+"`<li data-id=\"${row.id}\">${row.name}</li>`"+`).join("\n"); }
}
const schema%[1]d = Object.freeze({ type: "object", required: ["id", "name"], properties: { id: { type: "integer", minimum: %[1]d }, name: { type: "string", pattern: /^[a-z][a-z0-9-]{0,%[3]d}$/i }, tags: { type: "array", items: { enum: ["red-%[1]d", "green-%[1]d", "blue-%[1]d"] } } } });
function validate%[1]d(value, path = "$") {
  const problems = [];
  for (const key of schema%[1]d.required) if (!(key in value)) problems.push({ path: path + "." + key, message: "is missing in schema %[1]d" });
  if (value.id < schema%[1]d.properties.id.minimum) problems.push({ path: path + ".id", message: "is less than %[1]d" });
  switch (problems.length) { case 0: return true; case 1: throw new RangeError(problems[0].message); default: return problems; }
}
registry.set("entity-%[1]d", { create: (options) => new Entity%[1]d(options), validate: validate%[1]d, schema: schema%[1]d, messages: { en: "The item number %[1]d could not be found.", de: "Der Eintrag Nummer %[1]d wurde nicht gefunden." } });
`, n, "Base", n%7+2)
	}
	return fmt.Sprintf(`class Base { constructor(options) { this.created = options.created ?? 0; } }
const registry = new Map();
%s
export default async (event) => { registry.get("entity-" + event.a %% %d).create(event).set("a", event.b); return { sum: event.a + event.b, name: event.name.toUpperCase() } }`, &s, n)
}

func benchVersion(b *testing.B, source string, warm bool) *version {
	b.Helper()
	s, err := New(context.Background(), Options{CacheDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5<<20 + 16*uint64(len(source)), TimeoutNs: int64(time.Minute), Concurrency: 1, Warm: warm}
	l, _, err := s.load(nil, r)
	if err != nil {
		b.Fatal(err)
	}
	return newVersion(s.engine, l, r)
}

// BenchmarkInvocation is an invocation within the process, without the slot:
// acquire, run, release.
func BenchmarkInvocation(b *testing.B) {
	for _, c := range []struct {
		name, source string
		warm         bool
	}{
		{"fresh", benchSource, false},
		{"warm", benchSource, true},
		{"bundle", bundle(2 << 20), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := benchVersion(b, c.source, c.warm)
			inbox := newInbox()
			for b.Loop() {
				inst, _, err := v.acquire()
				if err != nil {
					b.Fatal(err)
				}
				inv := &invocation{id: 1, version: v, inst: inst, inbox: inbox, send: func(*sandboxpb.FromSandbox) error { return nil }}
				if r := inv.run([]byte(benchEvent), time.Second); outcome.Outcome(r.Outcome) != outcome.OK {
					b.Fatal(r)
				}
				v.release(inst)
			}
		})
	}
}

// BenchmarkNewInstance is what a further instance of a loaded function costs.
func BenchmarkNewInstance(b *testing.B) {
	v := benchVersion(b, benchSource, false)
	for b.Loop() {
		inst, err := v.engine.NewInstanceFrom(v.snapshot, v.memory)
		if err != nil {
			b.Fatal(err)
		}
		inst.Close()
	}
}

// BenchmarkLoad is the sandbox's part of a cold start in a spare process.
func BenchmarkLoad(b *testing.B) {
	s, err := New(context.Background(), Options{CacheDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, source := range map[string]string{"small": benchSource, "500KiB": bundle(500 << 10), "2MiB": bundle(2 << 20)} {
		r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5<<20 + 16*uint64(len(source)), TimeoutNs: int64(time.Minute)}
		b.Run(name, func(b *testing.B) {
			var stored uint64
			for b.Loop() {
				l, _, err := s.load(nil, r)
				if err != nil {
					b.Fatal(err)
				}
				stored = l.snapshot.Stored()
				l.first.Close()
			}
			b.ReportMetric(float64(stored)/1024, "KiB")
		})
	}
}

// BenchmarkStart is a process's start after exec, with a full cache.
func BenchmarkStart(b *testing.B) {
	o := Options{CacheDir: b.TempDir()}
	warm, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = warm.Close() }()
	for b.Loop() {
		s, err := New(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
