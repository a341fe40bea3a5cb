package sourcemap

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// mapOf makes a map's JSON.
func mapOf(mappings string, sources ...string) []byte {
	data, err := json.Marshal(map[string]any{"version": 3, "sources": sources, "names": []string{}, "mappings": mappings})
	if err != nil {
		panic(err)
	}
	return data
}

func TestFind(t *testing.T) {
	// Line 1: column 1 is a.ts:1:1, column 5 is b.ts:3:3, column 9 is nothing.
	// Line 3: column 3 is a.ts:2:1.
	m, err := Parse(mapOf("AAAA,ICEE,I;;EDDF", "a.ts", "b.ts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line, column int
		want         string
	}{
		{1, 1, "a.ts:1:1"}, {1, 4, "a.ts:1:1"}, {1, 5, "b.ts:3:3"}, {1, 8, "b.ts:3:3"}, {1, 9, ""}, {1, 1 << 30, ""},
		{2, 1, ""}, {3, 2, ""}, {3, 3, "a.ts:2:1"}, {3, 99, "a.ts:2:1"}, {4, 1, ""}, {0, 0, ""}, {-1, -1, ""}, {1, 0, ""},
	} {
		got := ""
		if p, ok := m.Find(tt.line, tt.column); ok {
			got = fmt.Sprintf("%s:%d:%d", p.Source, p.Line, p.Column)
		}
		if got != tt.want {
			t.Errorf("%d:%d came from %q, want %q", tt.line, tt.column, got, tt.want)
		}
	}
}

func TestFindUnsorted(t *testing.T) {
	m, err := Parse(mapOf("IACA,JADA", "a.ts")) // column 5, then column 1
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.Find(1, 1); !ok || p.Line != 1 {
		t.Errorf("%+v %v", p, ok)
	}
	if p, ok := m.Find(1, 5); !ok || p.Line != 2 {
		t.Errorf("%+v %v", p, ok)
	}
}

func TestSourceNames(t *testing.T) {
	for _, tt := range []struct{ root, source, want string }{
		{"", "src/a.ts", "src/a.ts"}, {"lib", "a.ts", "lib/a.ts"}, {"lib/", "a.ts", "lib/a.ts"}, {"lib", "/a.ts", "/a.ts"},
		{"", "a.ts:1:1)\n    at forged (b.ts", "a.ts:1:1__    at forged _b.ts"}, {"", "a\x1b[31m\u202e", "a_[31m_"},
		{"", strings.Repeat("é", 300), "…" + strings.Repeat("é", 126)},
	} {
		data, _ := json.Marshal(map[string]any{"version": 3, "sourceRoot": tt.root, "sources": []string{tt.source}, "mappings": "AAAA"})
		m, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := m.Find(1, 1); !ok || p.Source != tt.want {
			t.Errorf("%q is %q, want %q", tt.source, p.Source, tt.want)
		}
	}
	m, err := Parse([]byte(`{"version":3,"sources":[null],"mappings":"AAAA"}`))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := m.Find(1, 1); ok {
		t.Errorf("a source without a name: %+v", p)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ data, want string }{
		"no JSON":         {"//# sourceMappingURL=file:///etc/passwd", "not the JSON"},
		"array":           {"[]", "not the JSON"},
		"version":         {`{"version":2,"mappings":""}`, "version is 2"},
		"sections":        {`{"version":3,"sections":[{"url":"http://127.0.0.1/x.map"}]}`, "sections"},
		"no mappings":     {`{"version":3,"sources":[]}`, "no mappings"},
		"no digit":        {`{"version":3,"sources":["a"],"mappings":"AA*A"}`, "damaged at offset 2"},
		"endless number":  {`{"version":3,"sources":["a"],"mappings":"gggggggggggg"}`, "damaged"},
		"cut number":      {`{"version":3,"sources":["a"],"mappings":"AAAg"}`, "damaged"},
		"two fields":      {`{"version":3,"sources":["a"],"mappings":"AA"}`, "2 fields"},
		"six fields":      {`{"version":3,"sources":["a"],"mappings":"AAAAAA"}`, "damaged"},
		"negative":        {`{"version":3,"sources":["a"],"mappings":"D"}`, "out of range"},
		"no such source":  {`{"version":3,"sources":["a"],"mappings":"ACAA"}`, "source 1 of 1"},
		"too long":        {`{"version":3,"mappings":"` + strings.Repeat(";", MaxSize) + `"}`, "the most is"},
		"many lines":      {`{"version":3,"mappings":"` + strings.Repeat(";", maxLines+1) + `"}`, "lines"},
		"many segments":   {`{"version":3,"mappings":"` + strings.Repeat("C,", maxSegments+1) + `"}`, "segments"},
		"many sources":    {`{"version":3,"sources":[` + strings.Repeat(`"",`, maxSources) + `""],"mappings":""}`, "sources"},
		"nested brackets": {strings.Repeat("[", 1<<20), "not the JSON"},
	} {
		if _, err := Parse([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShiftLines(t *testing.T) {
	// a.ts:5:1, b.ts:7:3 with a name, nothing, a.ts:1:1 one line down.
	before := "AAIA,ICEEA,I;ADNF"
	after, err := ShiftLines(before, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(mapOf(after, "a.ts", "b.ts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line, column int
		want         Position
	}{{1, 1, Position{"a.ts", 4, 1}}, {1, 5, Position{"b.ts", 7, 3}}, {2, 1, Position{"a.ts", 1, 1}}} {
		if p, _ := m.Find(tt.line, tt.column); p != tt.want {
			t.Errorf("%d:%d: %+v, want %+v", tt.line, tt.column, p, tt.want)
		}
	}
	if same, err := ShiftLines(before, 7, 3); err != nil || same != before {
		t.Errorf("%q, %v", same, err)
	}
	if _, err := ShiftLines("AA*", 0, 1); err == nil {
		t.Error("damaged mappings were taken")
	}
}

// Whatever Parse takes can be asked about any place, and stays within bounds.
func FuzzParse(f *testing.F) {
	f.Add(mapOf("AAAA,ICEE,I;;EDDF", "a.ts", "b.ts"), 1, 5)
	f.Add([]byte(`{"version":3,"sources":[null,"\n("],"sourceRoot":"x","mappings":"A;;;IACA,JADA"}`), 4, 1)
	f.Add([]byte(`{"version":3,"sections":[{}]}`), 0, 0)
	f.Fuzz(func(t *testing.T, data []byte, line, column int) {
		m, err := Parse(data)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		p, ok := m.Find(line, column)
		if ok && (p.Line < 1 || p.Column < 1 || p.Source == "" || len(p.Source) > maxName || strings.ContainsAny(p.Source, "()\n\r")) {
			t.Errorf("%+v", p)
		}
		var d document
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		shifted, err := ShiftLines(*d.Mappings, 0, 1)
		if err != nil {
			return // a line over the largest number
		}
		back, err := ShiftLines(shifted, 0, -1)
		if err != nil {
			t.Fatalf("%q became %q: %v", *d.Mappings, shifted, err)
		}
		again, err := Parse(mapOf(back, m.sources...))
		if err != nil {
			t.Fatalf("%q became %q: %v", *d.Mappings, back, err)
		}
		if q, okAgain := again.Find(line, column); ok && (!okAgain || q.Line != p.Line || q.Column != p.Column) {
			t.Errorf("%+v became %+v", p, q)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := mapOf(strings.Repeat("AACA,IAAM,KAEK;", 200_000), "a.ts")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
