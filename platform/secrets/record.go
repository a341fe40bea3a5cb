package secrets

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

const (
	// MaxValue is the longest secret in bytes.
	MaxValue = 32 << 10
	// MaxSecrets is how many secrets a tenant may have.
	MaxSecrets = 100
	maxHosts   = 20
	maxName    = 128
)

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)

// Info is what may be told of a secret.
type Info struct {
	Name string `json:"name"`
	// Hosts are those to which fetch may send it.
	Hosts []string `json:"hosts"`
	// Reveal says that functions get the value itself.
	Reveal bool `json:"reveal"`
	// Key is the id of the key that it is encrypted under.
	Key     string    `json:"key"`
	Updated time.Time `json:"updated"`
}

// record is a secret on disk.
type record struct {
	Info
	Sealed []byte `json:"sealed"`
}

// document is what the file of a tenant holds.
type document struct {
	Secrets map[string]record `json:"secrets"`
}

// bound is what a record is encrypted together with.
func bound(tenant string, i Info) []byte {
	text, err := json.Marshal([]any{"bulkhead secret 1", tenant, i.Name, i.Hosts, i.Reveal})
	if err != nil {
		panic("BUG: " + err.Error()) // strings and a bool
	}
	return text
}

func (k *Keys) sealRecord(tenant string, i Info, value Secret) (record, error) {
	id, sealed, err := k.seal(value, bound(tenant, i))
	i.Key = id
	return record{i, sealed}, err
}

func (k *Keys) openRecord(tenant string, r record) (Secret, error) {
	return k.open(r.Key, r.Sealed, bound(tenant, r.Info))
}

// check brings what an operator gave to its one form.
func (i *Info) check(value Secret) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("secret %.80q: %w: %s", i.Name, store.ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case !nameForm.MatchString(i.Name):
		return invalid("a name has 1 to %d letters, digits, _, - and ., and begins with a letter or _", maxName)
	case value.value == "" || len(value.value) > MaxValue || !utf8.ValidString(value.value):
		return invalid("its value must be UTF-8 of 1 to %d bytes", MaxValue)
	case len(i.Hosts) > maxHosts:
		return invalid("it names %d hosts; the most is %d", len(i.Hosts), maxHosts)
	case len(i.Hosts) == 0 && !i.Reveal:
		return invalid("it names no host, so it could never be used; name some, or let it be revealed")
	case len(i.Hosts) > 0 && (!httpguts.ValidHeaderFieldValue(value.value)):
		return invalid("its value holds line breaks or control characters, which a header cannot hold; name no host, and let it be revealed")
	}
	hosts := []string{}
	for _, s := range i.Hosts {
		h, err := parseHost(s)
		if err != nil {
			return invalid("%v", err)
		}
		hosts = append(hosts, h.String())
	}
	slices.Sort(hosts)
	i.Hosts = slices.Compact(hosts)
	return nil
}
