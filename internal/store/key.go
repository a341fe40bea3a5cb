package store

import (
	"regexp"
	"strings"
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// versionForm also has the names that versions had before they were named
	// by their content.
	versionForm = regexp.MustCompile(`^([0-9a-f]{12}|[0-9a-f]{64})$`)
)

// recordKey says which record is meant: a version's, else a function's, else
// the tenant's, by what is not empty. A name that passes checkName is one token
// of a subject.
type recordKey struct{ tenant, function, version string }

func (k recordKey) String() string {
	switch {
	case k.version != "":
		return "version." + k.tenant + "." + k.function + "." + k.version
	case k.function != "":
		return "function." + k.tenant + "." + k.function
	}
	return "tenant." + k.tenant
}

func parseKey(key string) (k recordKey, ok bool) {
	parts := strings.Split(key, ".")
	for _, name := range parts[1:min(len(parts), 3)] {
		if !nameForm.MatchString(name) {
			return recordKey{}, false
		}
	}
	switch {
	case parts[0] == "tenant" && len(parts) == 2:
		return recordKey{tenant: parts[1]}, true
	case parts[0] == "function" && len(parts) == 3:
		return recordKey{tenant: parts[1], function: parts[2]}, true
	case parts[0] == "version" && len(parts) == 4 && versionForm.MatchString(parts[3]):
		return recordKey{parts[1], parts[2], parts[3]}, true
	}
	return recordKey{}, false
}

// checkRecord returns why a value cannot be a record's.
func checkRecord(key string, value []byte) error {
	k, ok := parseKey(key)
	var err error
	switch {
	case !ok:
		err = errUnknownKey
	case k.version != "":
		_, err = decodeVersion(k, value)
	case k.function != "":
		_, err = decodeFunction(k, value)
	default:
		_, err = decodeTenant(k.tenant, value)
	}
	return err
}
