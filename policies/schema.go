package policies

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of policy documents, for
// editors. It tells the form only: that a policy to extend exists or that an
// expression compiles, Parse alone knows.
func Schema() []byte { return append([]byte(nil), schema...) }
