package platform

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	// maxFaults is how many faults one message names.
	maxFaults = 5
	// maxFault clips what a value's own words add to a message, in bytes.
	maxFault = 200
)

// explain words a failed validation for the person whose call it was.
func explain(root string, v any, e *jsonschema.ValidationError) string {
	var faults []string
	for _, leaf := range leaves(e, nil) {
		for _, f := range words(root, v, leaf) {
			if !slices.Contains(faults, f) {
				faults = append(faults, f)
			}
		}
	}
	slices.Sort(faults)
	if more := len(faults) - maxFaults; more > 0 {
		faults = append(faults[:maxFaults], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(faults, "; ")
}

// maxLeaves is how many faults are looked at; the rest is cut.
const maxLeaves = 100

// leaves returns the errors that say something of their own. What is wrong
// with each branch of an anyOf says less than that none fits.
func leaves(e *jsonschema.ValidationError, found []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(found) >= maxLeaves {
		return found
	}
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.PropertyNames, *kind.Contains, *kind.Not:
		return append(found, e)
	}
	if len(e.Causes) == 0 {
		return append(found, e)
	}
	for _, c := range e.Causes {
		found = leaves(c, found)
	}
	return found
}

func words(root string, v any, e *jsonschema.ValidationError) []string {
	path, at := locate(root, v, e.InstanceLocation)
	path = clip(path)
	is := func(format string, args ...any) []string { return []string{path + " " + fmt.Sprintf(format, args...)} }
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return is("must be %s", oneOf(k.Want, article))
	case *kind.Required:
		var list []string
		for _, name := range k.Missing {
			list = append(list, path+member(name)+" is missing")
		}
		return list
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		if len(k.Properties) > maxFaults {
			k.Properties = k.Properties[:maxFaults]
		}
		var list []string
		for _, name := range k.Properties {
			list = append(list, path+member(name)+" is not known")
		}
		return list
	case *kind.MinItems:
		if len(e.InstanceLocation) == 0 {
			return []string{fmt.Sprintf("%s[%d] is missing", path, k.Got)}
		}
		return is("must have at least %d items", k.Want)
	case *kind.MaxItems:
		return is("must have at most %d items", k.Want)
	case *kind.AdditionalItems:
		list, _ := at.([]any)
		return is("must have at most %d items", len(list)-k.Count)
	case *kind.FalseSchema:
		return is("must not be there")
	case *kind.Enum:
		return is("must be %s", oneOf(k.Want, jsonText))
	case *kind.Const:
		return is("must be %s", jsonText(k.Want))
	case *kind.AnyOf, *kind.OneOf:
		return is("has none of the allowed forms, or several")
	case *kind.Minimum:
		return is("must be at least %s", number(k.Want))
	case *kind.Maximum:
		return is("must be at most %s", number(k.Want))
	case *kind.ExclusiveMinimum:
		return is("must be more than %s", number(k.Want))
	case *kind.ExclusiveMaximum:
		return is("must be less than %s", number(k.Want))
	case *kind.MultipleOf:
		return is("must be a multiple of %s", number(k.Want))
	case *kind.MinLength:
		return is("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return is("must have at most %d characters", k.Want)
	case *kind.Pattern:
		return is("must match the pattern %s", clip(k.Want))
	}
	// The value itself does not belong into a message.
	return is("does not fit the schema: %s", strings.Join(e.ErrorKind.KeywordPath(), "."))
}

// locate returns a JavaScript expression for the place, and what is there.
func locate(root string, v any, tokens []string) (string, any) {
	var path strings.Builder
	path.WriteString(root)
	for _, token := range tokens {
		switch c := v.(type) {
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(c) {
				return path.String(), nil
			}
			fmt.Fprintf(&path, "[%d]", i)
			v = c[i]
		case map[string]any:
			path.WriteString(member(token))
			v = c[token]
		}
	}
	return path.String(), v
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func member(name string) string {
	if len(name) <= maxFault && identifier.MatchString(name) {
		return "." + name
	}
	return "[" + jsonText(clip(name)) + "]"
}

func article(typ string) string {
	switch typ {
	case "null":
		return typ
	case "integer", "array", "object":
		return "an " + typ
	}
	return "a " + typ
}

// oneOf joins "a, b or null".
func oneOf[T any](list []T, word func(T) string) string {
	if len(list) > 20 {
		return "one of " + strconv.Itoa(len(list)) + " values"
	}
	var all []string
	for _, v := range list {
		all = append(all, word(v))
	}
	if i := slices.Index(all, "null"); i >= 0 { // the unusual case comes last
		all = append(slices.Delete(all, i, i+1), "null")
	}
	last := len(all) - 1
	if last <= 0 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

func jsonText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return clip(string(data))
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return clip(r.Num().String())
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func clip(s string) string {
	if len(s) <= maxFault {
		return s
	}
	return strings.ToValidUTF8(s[:maxFault], "") + "…"
}
