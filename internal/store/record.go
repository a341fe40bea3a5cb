package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Tenant is one tenant's record.
type Tenant struct {
	Name string
	// Policy and Tier are names that the supervisor understands.
	Policy, Tier string
	// Created and Updated are set by PutTenant.
	Created, Updated time.Time
}

// recordFormat is the number of the encoding of records. Increase it whenever
// an older reader would misunderstand a record.
const (
	recordFormat = 4
	// tenantFormat is that of tenants' records, which have not changed since.
	tenantFormat = 1
)

// maxText bounds every text in a record, in bytes.
const maxText = 256

type tenantRecord struct {
	Format  int       `json:"format"`
	Name    string    `json:"name"`
	Policy  string    `json:"policy"`
	Tier    string    `json:"tier"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

func checkName(what, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w %s name %.80q: want 1 to 63 of a-z, 0-9 and -, not starting with -", ErrInvalid, what, name)
	}
	return nil
}

func checkText(what, text string) error {
	if len(text) > maxText || !utf8.ValidString(text) {
		return fmt.Errorf("%w %s: want UTF-8 of at most %d bytes", ErrInvalid, what, maxText)
	}
	return nil
}

func checkTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("%w %s: year %d", ErrInvalid, what, y)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t Tenant) check() error {
	return firstError(
		checkName("tenant", t.Name),
		checkText("policy", t.Policy),
		checkText("tier", t.Tier),
		checkTime("created", t.Created),
		checkTime("updated", t.Updated))
}

func encodeTenant(t Tenant) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return json.Marshal(tenantRecord{tenantFormat, t.Name, t.Policy, t.Tier, t.Created.UTC(), t.Updated.UTC()})
}

func decodeTenant(tenant string, data []byte) (Tenant, error) {
	var r tenantRecord
	if err := decode(data, &r); err != nil {
		return Tenant{}, err
	}
	t := Tenant{r.Name, r.Policy, r.Tier, r.Created.UTC(), r.Updated.UTC()}
	if err := t.check(); err != nil {
		return Tenant{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if t.Name != tenant {
		return Tenant{}, fmt.Errorf("%w: it is of tenant %s", ErrCorrupt, t.Name)
	}
	return t, nil
}

// decode is strict within the format it knows: a field it does not know would
// be lost when the record is written again.
func decode(data []byte, v any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if head.Format > recordFormat {
		return fmt.Errorf("%w: its format is %d, this version reads up to %d (upgrade)", ErrNewerFormat, head.Format, recordFormat)
	}
	if head.Format < 1 {
		return fmt.Errorf("%w: unknown format %d", ErrCorrupt, head.Format)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more follows after the record", ErrCorrupt)
	}
	return nil
}

// now has no monotonic part, so that a record equals itself read back.
func now() time.Time { return time.Now().UTC().Round(0) }
