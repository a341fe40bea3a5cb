package wire

import (
	"fmt"
	"slices"
)

var kinds = []string{"select", "insert", "update", "delete", "create", "alter", "drop", "pragma", "other"}

// Check reports how r cannot be the answer to request number with op, under c.
func (r *Response) Check(c *Config, op Op, number uint64) error {
	set := 0
	for _, is := range []bool{r.Failure != nil, r.Facts != nil, r.Result != nil} {
		if is {
			set++
		}
	}
	statement := op == Describe || op == Run
	switch {
	case r.Number != number:
		return fmt.Errorf("%w: it answers request %d instead of %d", ErrMalformed, r.Number, number)
	case set > 1, statement && set == 0, !statement && set == 1 && r.Failure == nil, op == Describe && r.Result != nil:
		return fmt.Errorf("%w: it is no answer to what was asked", ErrMalformed)
	case number != 0 && r.Lockdown != nil:
		return fmt.Errorf("%w: it reports on its lock-down again", ErrMalformed)
	case r.Failure != nil:
		return r.Failure.check()
	case r.Facts != nil:
		return r.Facts.check()
	case r.Result != nil:
		return r.Result.check(c)
	}
	return nil
}

func (f *Failure) check() error {
	if f.Code == "" || len(f.Code) > 64 || len(f.Message) > MaxMessage || len(f.Engine) > 64 || len(f.Detail) > MaxMessage {
		return fmt.Errorf("%w: the failure is over its bounds", ErrMalformed)
	}
	return nil
}

func (f *Facts) check() error {
	if len(f.Kinds) == 0 || len(f.Kinds) > len(kinds) || len(f.Tables) > MaxTables {
		return fmt.Errorf("%w: %d kinds and %d tables", ErrMalformed, len(f.Kinds), len(f.Tables))
	}
	for _, k := range f.Kinds {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("%w: %.20q is no kind of statement", ErrMalformed, k)
		}
	}
	for _, t := range f.Tables {
		if len(t) > MaxTableName {
			return fmt.Errorf("%w: a table's name has %d bytes", ErrMalformed, len(t))
		}
	}
	return nil
}

func (r *Result) check(c *Config) error {
	if len(r.Columns) > MaxColumns || len(r.Rows) > c.MaxRows {
		return fmt.Errorf("%w: a result of %d columns and %d rows", ErrMalformed, len(r.Columns), len(r.Rows))
	}
	size := 0
	for _, row := range r.Rows {
		if len(row) != len(r.Columns) {
			return fmt.Errorf("%w: a row of %d values in %d columns", ErrMalformed, len(row), len(r.Columns))
		}
		for _, v := range row {
			switch v.(type) {
			case nil, int64, float64, string, []byte:
			default:
				return fmt.Errorf("%w: a value of type %T", ErrMalformed, v)
			}
		}
		size += Size(r.Columns, row)
	}
	if size > c.MaxResult {
		return fmt.Errorf("%w: a result of %d bytes", ErrMalformed, size)
	}
	return nil
}

// Within reports whether all that f says is also in g.
func (f *Facts) Within(g *Facts) bool {
	for _, k := range f.Kinds {
		if !slices.Contains(g.Kinds, k) {
			return false
		}
	}
	for _, t := range f.Tables {
		if !slices.Contains(g.Tables, t) {
			return false
		}
	}
	return !f.Writes || g.Writes
}

// Inserts reports whether the statement inserts rows.
func (f *Facts) Inserts() bool { return slices.Contains(f.Kinds, "insert") }
