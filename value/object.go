package value

import (
	"iter"
	"maps"
	"reflect"
	"slices"
)

// Object is a JavaScript object: its own enumerable properties with string
// keys, in their order. The zero Object is empty and ready to use.
type Object struct {
	keys   []string
	values map[string]any
}

// NewObject makes an object of keys and values in turn: NewObject("a", 1).
// It panics on an odd number of arguments or a key that is no string.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Len returns the number of properties.
func (o *Object) Len() int { return len(o.keys) }

// Get returns a property's value; ok is false when there is none.
func (o *Object) Get(key string) (v any, ok bool) {
	v, ok = o.values[key]
	return v, ok
}

// Set sets a property; a new one comes last.
func (o *Object) Set(key string, v any) {
	if _, has := o.values[key]; !has {
		if o.values == nil {
			o.values = make(map[string]any)
		}
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// All yields the properties in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, k := range o.keys {
			if !yield(k, o.values[k]) {
				return
			}
		}
	}
}

// MarshalJSON gives the object's JSON form, as [ToJSON] does.
func (o *Object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

func sorted(m map[string]any) *Object {
	return &Object{keys: slices.Sorted(maps.Keys(m)), values: m}
}

func mapAddress(m map[string]any) any { return reflect.ValueOf(m).Pointer() }
