package policies

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

var presets struct {
	once   sync.Once
	byName map[string]*Policy
}

// loadPresets parses the shipped policies once. They are part of the program:
// one that does not parse is a bug, and a test would have found it.
func loadPresets() map[string]*Policy {
	presets.once.Do(func() {
		presets.byName = map[string]*Policy{}
		for _, name := range presetNames() {
			if _, err := loadPreset(name); err != nil {
				panic("BUG: " + err.Error())
			}
		}
	})
	return presets.byName
}

func loadPreset(name string) (*Policy, error) {
	if p := presets.byName[name]; p != nil {
		return p, nil
	}
	file := path.Join("presets", name+".yaml")
	data, err := presetFiles.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("there is no preset %q", name)
	}
	p, err := Parse(file, data, loadPreset)
	if err != nil {
		return nil, err
	}
	presets.byName[name] = p
	return p, nil
}

func presetNames() []string {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".yaml"); !strings.HasSuffix(name, ".test") {
			names = append(names, name)
		}
	}
	return names
}

// Preset returns the shipped policy of that name.
func Preset(name string) (*Policy, bool) {
	p, ok := loadPresets()[name]
	return p, ok
}

// Presets returns the shipped policies, ordered by name.
func Presets() []*Policy {
	var all []*Policy
	for _, p := range loadPresets() {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Policy) int { return strings.Compare(a.name, b.name) })
	return all
}
