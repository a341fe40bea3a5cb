package gateway

import "strings"

// inDomain says what the part of a host name before --TENANT means: a function,
// or a preview of one, VERSION--FUNCTION, where VERSION is an alias or a version's
// first digits. A function whose own name has -- in it goes before. Whether there
// is one decides nothing else: what is found asks for its own rights.
func (f *functions) inDomain(tenant, label string) FunctionName {
	name := FunctionName{Tenant: tenant, Function: label}
	ref, function, divided := strings.Cut(label, "--")
	if !divided || ref == "" || function == "" {
		return name
	}
	if _, err := f.backend.Public(tenant, label); err == nil {
		return name
	}
	name.Function = function + "@" + ref
	return name
}
