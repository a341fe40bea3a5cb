package policies

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// writeGroups writes the document of a policy with a rule for each group.
func writeGroups(name string, calls int, groups []*group) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nname: %s\ndescription: Learned from %s\ndefault: deny\n", flowWord(name), plural(calls, "call"))
	if len(groups) > 0 {
		b.WriteString("rules:\n")
	}
	for _, g := range groups {
		g.write(&b)
	}
	return []byte(b.String())
}

func (g *group) write(b *strings.Builder) {
	fmt.Fprintf(b, "  # %s", plural(g.calls, "call"))
	var counts []string
	for _, s := range []struct {
		of field
		set
	}{{methodField, g.methods}, {tableField, g.tables}, {nameField, g.names}} {
		if g.has[s.of] && len(s.set) > 1 {
			counts = append(counts, s.counts())
		}
	}
	if len(counts) > 0 {
		b.WriteString(": " + strings.Join(counts, "; "))
	}
	b.WriteString("\n")
	for _, l := range g.left {
		fmt.Fprintf(b, "  # no condition on %s\n", l)
	}
	fmt.Fprintf(b, "  - api: %s\n    action: allow\n", flowList(g.apis))
	var when []string
	add := func(f field, value string) {
		if g.has[f] {
			when = append(when, whenFields[f]+": "+value)
		}
	}
	add(schemeField, flowWord(g.scheme))
	add(hostField, flowList(g.hosts))
	add(portField, strconv.Itoa(g.port))
	add(methodField, flowList(g.methods.sorted()))
	add(pathField, flowList(g.pathPrefixes))
	add(statementField, flowList(g.statements))
	if !g.noTables {
		add(tableField, flowList(g.tables.sorted()))
	}
	add(keyField, flowList(g.keyPrefixes))
	if g.size > 0 {
		add(sizeField, formatSize(g.size))
	}
	add(nameField, flowList(g.names.sorted()))
	if len(when) > 0 {
		b.WriteString("    when:\n")
	}
	for _, w := range when {
		b.WriteString("      " + w + "\n")
	}
	if g.has[tableField] && g.noTables {
		b.WriteString("    cel: tables == [] # statements that touch no table\n")
	}
}

// counts writes the values with how often each was seen, the most frequent first.
func (s set) counts() string {
	list := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		if s[a] != s[b] {
			return s[b] - s[a]
		}
		return strings.Compare(a, b)
	})
	for i, v := range list {
		list[i] = fmt.Sprintf("%s %d", flowWord(v), s[v])
	}
	return enumerate(list, 8)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
