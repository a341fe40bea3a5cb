package doctor

import (
	"os"
	"path/filepath"
)

const vulnerabilities = "/sys/devices/system/cpu/vulnerabilities"

// Mitigations returns what the kernel says of the processor's own faults. It is
// information: what is enough depends on who the tenants are.
func Mitigations() []Fact {
	entries, err := os.ReadDir(vulnerabilities)
	if err != nil {
		return []Fact{}
	}
	facts := []Fact{}
	for _, e := range entries {
		facts = append(facts, Fact{Name: e.Name(), Value: read(filepath.Join(vulnerabilities, e.Name()))})
	}
	return facts
}
