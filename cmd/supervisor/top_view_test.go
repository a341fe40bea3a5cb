package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/client"
)

func view(tenants int) *topView {
	v := &topView{server: "http://127.0.0.1:8420", sort: "cpu"}
	for i := range tenants {
		v.stats.Tenants = append(v.stats.Tenants, client.Activity{
			Tenant: fmt.Sprintf("a-tenant-with-a-name-that-is-as-long-as-a-name-can-be-which-is-%d", i),
			Rate:   123456, ErrorRate: 99.94, P50: 0.0625, P99: 29999, Cold: 999999, Kills: 12345, Resident: 999 << 30, Load: 64,
		})
	}
	return v
}

// Whatever the numbers and the window, every line fits, and there are as many
// as there should be.
func TestTopFits(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 24}, {80, 5}, {200, 60}, {40, 10}, {1, 1}, {10, 2}} {
		for _, tenants := range []int{0, 1, 100} {
			lines := view(tenants).screen(size.width, size.height)
			if len(lines) != size.height {
				t.Errorf("%v, %d tenants: %d lines", size, tenants, len(lines))
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > size.width {
					t.Errorf("%v: %q is too long", size, line)
				}
			}
		}
	}
	lines := view(3).screen(80, 24)
	header := lines[topHeader]
	if !strings.HasPrefix(header, "TENANT ") || !strings.Contains(header, "*CPU") || !strings.HasSuffix(header, " KILLS") {
		t.Errorf("titles: %q", header)
	}
	if row := lines[topHeader+1]; !strings.HasSuffix(row, "123456   99.9    62us   30.0s   999G 6400% 999999 12345") {
		t.Errorf("a row: %q", row)
	}
}

func TestTopTellsOfTrouble(t *testing.T) {
	v := view(1)
	v.err = errors.New("no supervisor answers\x1b[2J")
	v.stats.Tenants[0].Tenant = "evil\x1b[31m"
	v.stats.More = 3
	text := strings.Join(v.screen(80, 24), "\n")
	if !strings.Contains(text, "these numbers are old: no supervisor answers") || !strings.Contains(text, "and 3 more") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
	if v.press('m'); v.sort != "memory" {
		t.Errorf("sorted by %s", v.sort)
	}
	if v.press('x') || v.sort != "memory" {
		t.Errorf("a key that means nothing: %s", v.sort)
	}
}
