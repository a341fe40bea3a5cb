package db

import (
	"math/big"

	"github.com/bulkhead-run/bulkhead/value"
)

// maxSafe is the largest integer that a JavaScript number holds exactly.
const maxSafe = 1<<53 - 1

// rows makes a result's rows objects. Where two columns have one name the
// later one counts.
func rows(r *Result) []any {
	list := make([]any, len(r.Rows))
	for i, row := range r.Rows {
		o := &value.Object{}
		for n, v := range row {
			o.Set(r.Columns[n], toJS(v))
		}
		list[i] = o
	}
	return list
}

func changes(r *Result) *value.Object {
	var id any
	if r.LastInsertRowID != nil {
		id = toJS(*r.LastInsertRowID)
	}
	return value.NewObject("changes", toJS(r.Changes), "lastInsertRowid", id)
}

// toJS makes an integer a number if that holds it, else a BigInt.
func toJS(v any) any {
	n, ok := v.(int64)
	switch {
	case !ok:
		return v
	case n >= -maxSafe && n <= maxSafe:
		return float64(n)
	}
	return big.NewInt(n)
}
