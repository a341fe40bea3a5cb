package policies

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Call is a recorded host call. A line of the audit log has these fields.
type Call struct {
	API        string     `json:"api"`
	Attributes Attributes `json:"attributes"`
}

// Learn writes the document of a policy with the given name that allows these
// calls and as little else as rules can tell apart: for each API the hosts
// with the ports and methods seen there, the tables of each kind of statement,
// the names, the prefixes that paths and keys have in common, and sizes up to
// the next power of two, 64 bytes at least. Comments tell how often each was seen. What cannot be
// written as a condition is left out, which a comment tells too.
//
// It fails when a call names what no policy could (an API or a host that is
// none), or when the calls differ too much for one policy.
func Learn(name string, calls []Call) ([]byte, error) {
	if !policyName.MatchString(name) {
		return nil, fmt.Errorf("%s is not a policy's name", quote(name))
	}
	groups := map[string]*group{}
	for i, c := range calls {
		g, err := newGroup(c)
		if err != nil {
			return nil, fmt.Errorf("call %d: %w", i+1, err)
		}
		key := g.key()
		if groups[key] == nil {
			groups[key] = g
		}
		groups[key].add(c.Attributes)
	}
	list := slices.Collect(maps.Values(groups))
	for _, g := range list {
		g.condense()
	}
	list = merge(list, func(g *group) *[]string { return &g.hosts })
	list = merge(list, func(g *group) *[]string { return &g.statements })
	list = merge(list, func(g *group) *[]string { return &g.apis })
	slices.SortFunc(list, func(a, b *group) int {
		return cmp.Or(slices.Compare(a.apis, b.apis), slices.Compare(a.hosts, b.hosts), cmp.Compare(a.identity(), b.identity()))
	})
	doc := writeGroups(name, len(calls), list)
	if err := proveLearned(doc, calls); err != nil {
		return nil, err
	}
	return doc, nil
}

// proveLearned makes sure of what Learn promises.
func proveLearned(doc []byte, calls []Call) error {
	p, err := Parse("learned", doc, nil)
	if err != nil {
		return fmt.Errorf("the calls differ too much for one policy: %w", err)
	}
	for i, c := range calls {
		if !p.Evaluate(c.API, c.Attributes).Allowed {
			return fmt.Errorf("call %d (%s%s) cannot be allowed by rules", i+1, c.API, c.Attributes.list())
		}
	}
	return nil
}

// group is calls that one rule is to allow.
type group struct {
	apis, hosts, statements []string // of one entry until merged
	scheme                  string
	port                    int
	has                     [nameField + 1]bool
	noTables                bool // a statement that touches none
	methods, paths, tables  set
	keys, names             set
	size                    int64
	calls                   int
	// Made by condense:
	pathPrefixes, keyPrefixes []string
	left                      []string // conditions that cannot be written
}

// set is values, and how often each was seen.
type set map[string]int

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

func newGroup(c Call) (*group, error) {
	p := &parser{}
	if _, ok := p.apiPattern(textNode(c.API)); !ok || strings.Contains(c.API, "*") {
		return nil, fmt.Errorf("%s is not an API's name", quote(c.API))
	}
	a := &c.Attributes
	g := &group{
		apis: []string{c.API}, scheme: a.Scheme, port: a.Port,
		methods: set{}, paths: set{}, tables: set{}, keys: set{}, names: set{},
	}
	for f := range g.has {
		g.has[f] = !missing(field(f), a)
	}
	if g.has[hostField] {
		host, ok := p.host(textNode(a.Host))
		if !ok || host != a.Host || strings.Contains(host, "*") {
			return nil, fmt.Errorf("%s is not a host", quote(a.Host))
		}
		g.hosts = []string{a.Host}
	}
	if g.has[schemeField] && !slices.Contains(schemes, a.Scheme) {
		return nil, fmt.Errorf("no policy can allow the scheme %s", quote(a.Scheme))
	}
	if g.has[portField] && (a.Port < 0 || a.Port > 65535) {
		return nil, errors.New("the port is not from 1 to 65535")
	}
	if g.has[statementField] {
		if !slices.Contains(statements, a.Statement) {
			return nil, fmt.Errorf("there is no statement %s", quote(a.Statement))
		}
		g.statements = []string{a.Statement}
	}
	g.noTables = g.has[tableField] && len(a.Tables) == 0
	return g, nil
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// key is equal for calls that go into one group.
func (g *group) key() string {
	return fmt.Sprint(g.apis, g.hosts, g.statements, g.scheme, g.port, g.has, g.noTables)
}

func (g *group) add(a Attributes) {
	g.calls++
	g.methods[a.Method]++
	g.paths[a.Path]++
	g.keys[a.Key]++
	g.names[a.Name]++
	for _, t := range a.Tables {
		g.tables[strings.ToLower(t)]++
	}
	g.size = max(g.size, a.Size)
}

// leastSize leaves room where a call wrote next to nothing: the ninth order is
// a byte, the tenth are two.
const leastSize = 64

// condense turns what was seen into what conditions can say.
func (g *group) condense() {
	power := int64(leastSize)
	for power < g.size && power < 1<<59 {
		power <<= 1
	}
	if g.has[sizeField] && g.size > 0 {
		g.size = power
	} else {
		g.size = 0
	}
	drop := func(f field, why string) {
		g.has[f] = false
		g.left = append(g.left, whenFields[f]+": "+why)
	}
	if g.has[methodField] && slices.ContainsFunc(g.methods.sorted(), func(m string) bool { return !slices.Contains(methods, m) }) {
		drop(methodField, "not all of them can be named")
	}
	if g.has[pathField] {
		if g.pathPrefixes = pathPrefixes(g.paths.sorted()); g.pathPrefixes == nil {
			drop(pathField, "they have nothing in common")
		}
	}
	if g.has[keyField] {
		if g.keyPrefixes = keyPrefixes(g.keys.sorted()); g.keyPrefixes == nil {
			drop(keyField, "they have nothing in common")
		}
	}
	if g.has[tableField] && !g.noTables && !g.tables.writable() {
		drop(tableField, "not all of them can be named")
	}
	if g.has[nameField] && !g.names.writable() {
		drop(nameField, "not all of them can be named")
	}
}

// writable reports whether the values can stand in a list of names.
func (s set) writable() bool {
	p := &parser{}
	for v := range s {
		if _, ok := p.namePattern(textNode(v)); !ok || strings.HasSuffix(v, "*") || strings.ToValidUTF8(v, "") != v {
			return false
		}
	}
	return len(s) <= maxList
}

// identity is equal for groups that allow the same.
func (g *group) identity() string {
	return fmt.Sprintf("%q %q %q %q %d %v %v %q %q %q %q %q %d", g.apis, g.hosts, g.statements, g.scheme, g.port, g.has, g.noTables,
		g.methods.sorted(), g.pathPrefixes, g.keyPrefixes, g.tables.sorted(), g.names.sorted(), g.size)
}

// merge joins groups that differ in nothing but one list.
func merge(groups []*group, of func(*group) *[]string) []*group {
	same := map[string]*group{}
	var kept []*group
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.identity(), b.identity()) })
	for _, g := range groups {
		list := *of(g)
		*of(g) = nil
		key := fmt.Sprint(g.identity(), len(list) > 0)
		*of(g) = list
		into := same[key]
		if into == nil {
			same[key] = g
			kept = append(kept, g)
			continue
		}
		*of(into) = append(*of(into), list...)
		slices.Sort(*of(into))
		into.calls += g.calls
		for _, pair := range [][2]set{{into.methods, g.methods}, {into.tables, g.tables}, {into.names, g.names}} {
			for v, n := range pair[1] {
				pair[0][v] += n
			}
		}
	}
	return kept
}
