package policies

import "encoding/json"

// Attributes is what a host call's rule may set conditions on. An API fills
// what it has. What is empty is missing: no rule that allows holds for it, and
// every rule that denies does (see the package's comment).
type Attributes struct {
	// Of fetch.
	Scheme string `json:"scheme,omitempty"` // "https"
	Host   string `json:"host,omitempty"`   // lower case, ASCII, no port, no brackets, no trailing dot
	Port   int    `json:"port,omitempty"`
	Method string `json:"method,omitempty"` // upper case
	Path   string `json:"path,omitempty"`   // of the URL: begins with "/", decoded, dot segments resolved, no query

	// Of db: what the database's own authorizer saw in the statement. A
	// statement without tables touches none; without a statement either, the
	// tables are not known.
	Statement string   `json:"statement,omitempty"` // "select", "insert", "update", "delete", "create", "alter", "drop", "pragma", "other"
	Tables    []string `json:"tables,omitempty"`    // lower case, each once

	// Of kv and storage.
	Key string `json:"key,omitempty"`
	// Prefix means that Key is a prefix, and the call sees every key that
	// begins with it: a list.
	Prefix bool `json:"prefix,omitempty"`
	// Size is how many bytes the call writes, -1 when that is not known
	// beforehand.
	Size int64 `json:"size,omitempty"`

	// Of queue, invoke, secrets and env: the queue, function, secret or
	// variable that is named.
	Name string `json:"name,omitempty"`

	// Of every call; the supervisor fills them.
	Tenant   string            `json:"tenant,omitempty"`
	Function string            `json:"function,omitempty"`
	Args     []json.RawMessage `json:"-"`
}
