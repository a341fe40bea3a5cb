package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-run/bulkhead/types"
)

// typeDeclarations are the declarations of what functions find, an operator's
// own APIs included.
func typeDeclarations(list []apiDocument) string {
	var b strings.Builder
	b.WriteString("// Made by `supervisor apis --types`; run it again after an upgrade, or when APIs of your own change.\n\n")
	b.WriteString(types.Functions + "\n" + types.Tests)
	own := slices.DeleteFunc(slices.Clone(list), func(a apiDocument) bool { return a.Kind == "built-in" })
	if len(own) > 0 {
		b.WriteString("\n// APIs of this installation.\n")
	}
	root := &typeMember{members: map[string]*typeMember{}}
	for _, api := range own {
		at := root
		for _, part := range strings.Split(api.Name, ".") {
			if at.members[part] == nil {
				at.members[part] = &typeMember{members: map[string]*typeMember{}}
			}
			at = at.members[part]
		}
		at.api = &api
	}
	for _, name := range slices.Sorted(maps.Keys(root.members)) {
		m := root.members[name]
		if m.api != nil {
			b.WriteString(docComment(m.api.Doc, "") + "declare function " + name + signature(m.api, ": ") + ";\n")
			continue
		}
		b.WriteString("declare const " + name + ": " + m.object("") + ";\n")
	}
	return b.String()
}

// typeMember is an API, or an object that has some.
type typeMember struct {
	api     *apiDocument
	members map[string]*typeMember
}

func (m *typeMember) object(pad string) string {
	inner := pad + "  "
	out := "{\n"
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		if sub := m.members[name]; sub.api != nil {
			out += docComment(sub.api.Doc, inner) + inner + name + signature(sub.api, ": ") + ";\n"
		} else {
			out += inner + name + ": " + sub.object(inner) + ";\n"
		}
	}
	return out + pad + "}"
}

// docComment makes a comment that its text cannot end.
func docComment(doc, pad string) string {
	if doc == "" {
		return ""
	}
	return pad + "/** " + strings.ReplaceAll(oneLine(doc), "*/", "* /") + " */\n"
}

// signature is an API's parameters and result, from its schemas.
func signature(api *apiDocument, colon string) string {
	result := schemaType(api.Result, "")
	if len(api.Result) == 0 {
		result = "any"
	}
	if !api.Sync {
		result = "Promise<" + result + ">"
	}
	return "(" + parameters(api.Arguments) + ")" + colon + result
}

// parameters reads the schema of an array of arguments.
func parameters(raw json.RawMessage) string {
	var s struct {
		PrefixItems []json.RawMessage `json:"prefixItems"`
		MinItems    int               `json:"minItems"`
		MaxItems    *int              `json:"maxItems"`
		Items       json.RawMessage   `json:"items"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return "...args: any[]"
	}
	var out []string
	for i, item := range s.PrefixItems {
		mark := ""
		if i >= s.MinItems {
			mark = "?"
		}
		var about struct {
			Title string `json:"title"`
		}
		_ = json.Unmarshal(item, &about) // true and false have no title
		name := "arg" + strconv.Itoa(i+1)
		if len(s.PrefixItems) == 1 {
			name = "argument"
		}
		if identifier.MatchString(about.Title) {
			name = about.Title
		}
		out = append(out, name+mark+": "+schemaType(item, ""))
	}
	closed := string(s.Items) == "false" || s.MaxItems != nil && *s.MaxItems <= len(s.PrefixItems)
	if !closed {
		out = append(out, "...rest: "+arrayOf(schemaType(s.Items, "")))
	}
	return strings.Join(out, ", ")
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][\w$]*$`)

func arrayOf(t string) string {
	if strings.ContainsAny(t, " |&") {
		return "(" + t + ")[]"
	}
	return t + "[]"
}

// schemaType words a JSON Schema as a type: exactly for the common keywords,
// and as something wider for the others.
func schemaType(raw json.RawMessage, pad string) string {
	var s struct {
		Type                 any                        `json:"type"`
		Enum                 []any                      `json:"enum"`
		Const                *json.RawMessage           `json:"const"`
		Properties           map[string]json.RawMessage `json:"properties"`
		Required             []string                   `json:"required"`
		AdditionalProperties json.RawMessage            `json:"additionalProperties"`
		Items                json.RawMessage            `json:"items"`
		AnyOf                []json.RawMessage          `json:"anyOf"`
		OneOf                []json.RawMessage          `json:"oneOf"`
		Description          string                     `json:"description"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
		return "any" // also for true
	}
	if s.Const != nil {
		return string(*s.Const)
	}
	if len(s.Enum) > 0 {
		var parts []string
		for _, v := range s.Enum {
			text, _ := json.Marshal(v) // it came from JSON
			parts = append(parts, string(text))
		}
		return strings.Join(parts, " | ")
	}
	if union := append(s.AnyOf, s.OneOf...); len(union) > 0 {
		var parts []string
		for _, u := range union {
			parts = append(parts, schemaType(u, pad))
		}
		return strings.Join(parts, " | ")
	}
	var kinds []string
	switch t := s.Type.(type) {
	case string:
		kinds = []string{t}
	case []any:
		for _, k := range t {
			kinds = append(kinds, fmt.Sprint(k))
		}
	}
	if len(kinds) == 0 && s.Properties != nil {
		kinds = []string{"object"}
	}
	var parts []string
	for _, k := range kinds {
		switch k {
		case "integer", "number":
			parts = append(parts, "number")
		case "string", "boolean", "null":
			parts = append(parts, k)
		case "array":
			parts = append(parts, arrayOf(schemaType(s.Items, pad)))
		case "object":
			parts = append(parts, objectType(s.Properties, s.Required, s.AdditionalProperties, pad))
		}
	}
	if len(parts) == 0 {
		return "any"
	}
	return strings.Join(slices.Compact(parts), " | ")
}

func objectType(properties map[string]json.RawMessage, required []string, more json.RawMessage, pad string) string {
	inner := pad + "  "
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		var about struct {
			Description string `json:"description"`
		}
		_ = json.Unmarshal(properties[name], &about) // true has none
		key := name
		if !identifier.MatchString(name) {
			quoted, _ := json.Marshal(name) // a string
			key = string(quoted)
		}
		if !slices.Contains(required, name) {
			key += "?"
		}
		out.WriteString(docComment(about.Description, inner) + inner + key + ": " + schemaType(properties[name], inner) + ";\n")
	}
	switch {
	case len(properties) == 0 && string(more) == "false":
		return "{}"
	case len(properties) == 0:
		return "Record<string, " + schemaType(more, pad) + ">"
	case string(more) != "false":
		out.WriteString(inner + "[member: string]: any;\n")
	}
	return "{\n" + out.String() + pad + "}"
}
