package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
)

const maxSourceMap = sourcemap.MaxSize

// readMeta reads esbuild's account of what it made.
func (b *built) readMeta(meta string, e *entry) error {
	var m struct {
		Inputs map[string]struct {
			Imports []struct {
				Path string `json:"path"`
			} `json:"imports"`
		} `json:"inputs"`
		Outputs map[string]struct {
			Exports []string `json:"exports"`
			Inputs  map[string]struct {
				BytesInOutput int `json:"bytesInOutput"`
			} `json:"inputs"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(meta), &m); err != nil {
		return fmt.Errorf("read the account of the bundle: %w", err)
	}
	b.alone = !slices.ContainsFunc(m.Inputs[e.name()].Imports, func(i struct {
		Path string `json:"path"`
	}) bool {
		return i.Path != "<runtime>"
	})
	b.files = make(map[string]bool, len(m.Inputs))
	for path := range m.Inputs {
		if !strings.HasPrefix(path, namespace+":") {
			b.files[filepath.Join(e.root, path)] = true
		}
	}
	out := m.Outputs[outfile]
	b.exports = out.Exports
	for path, input := range out.Inputs {
		if input.BytesInOutput > 0 && !strings.HasPrefix(path, namespace+":global/") && path != namespace+":entry" {
			b.inputs = append(b.inputs, Input{path, input.BytesInOutput})
		}
	}
	slices.SortFunc(b.inputs, func(a, b Input) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Path, b.Path))
	})
	return nil
}

// finishMap makes the map that is sent: of the user's own sources, with their
// contents, and of packages, without. It returns "" when it is too large even
// without any contents.
func finishMap(text string, e *entry) (string, error) {
	var m struct {
		Version        int       `json:"version"`
		Sources        []string  `json:"sources"`
		SourcesContent []*string `json:"sourcesContent,omitempty"`
		Mappings       string    `json:"mappings"`
		Names          []string  `json:"names"`
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return "", fmt.Errorf("read the source map of the bundle: %w", err)
	}
	name := filepath.ToSlash(e.name())
	for i, source := range m.Sources {
		if i >= len(m.SourcesContent) {
			break
		}
		switch {
		case e.expression && source == name:
			var err error
			if m.Mappings, err = sourcemap.ShiftLines(m.Mappings, i, -1); err != nil {
				return "", fmt.Errorf("read the source map of the bundle: %w", err)
			}
			m.SourcesContent[i] = &e.source
		case strings.Contains(source, "node_modules/"), strings.HasPrefix(source, namespace+":"):
			m.SourcesContent[i] = nil
		}
	}
	for range 2 {
		out, err := json.Marshal(m)
		if err != nil {
			return "", fmt.Errorf("write the source map: %w", err)
		}
		if len(out) <= maxSourceMap {
			return string(out), nil
		}
		m.SourcesContent = nil
	}
	return "", nil
}
