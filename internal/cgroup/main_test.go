package cgroup_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
)

// innerKey has the test binary open a directory and say where it runs then.
const innerKey = "BULKHEAD_CGROUP_OPEN"

func TestMain(m *testing.M) {
	if parent := os.Getenv(innerKey); parent != "" {
		tree, err := cgroup.Open(parent)
		if err != nil {
			fmt.Println(err)
			return
		}
		own, _ := os.ReadFile("/proc/self/cgroup")
		for line := range strings.Lines(string(own)) {
			if strings.HasPrefix(line, "0::") {
				fmt.Print(line)
			}
		}
		_ = tree.Close()
		return
	}
	os.Exit(m.Run())
}

func itoa(n int) string { return strconv.Itoa(n) }
