// Package sample makes code to measure with.
package sample

import (
	"fmt"
	"strings"
)

// Bundle returns a module of about size bytes that looks like what a bundler
// makes of an application: classes, closures, tables and texts, of which an
// invocation uses a few. It answers { a, b, name } with { sum, name }.
func Bundle(size int) string {
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
