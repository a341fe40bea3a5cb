package cgroup

import "testing"

func TestParseFlat(t *testing.T) {
	const events = "low 0\nhigh 3\nmax 17\noom 1\noom_kill 1\noom_group_kill 1\n"
	for _, tt := range []struct {
		text, key string
		want      uint64
		ok        bool
	}{
		{events, "oom_kill", 1, true},
		{events, "high", 3, true},
		{"usage_usec 18446744073709551615\nuser_usec 2\n", "usage_usec", 1<<64 - 1, true},
		{"usage_usec 18446744073709551616\n", "usage_usec", 0, false},
		{"oom_kill -1\n", "oom_kill", 0, false},
		{"oom_kill", "oom_kill", 0, false},
		{"oom_kill 4", "oom_kill", 4, true},
		{"", "oom_kill", 0, false},
		{"\n\n \noom_kill  1\n", "oom_kill", 0, false},
	} {
		if got, ok := parseFlat(tt.text)[tt.key]; got != tt.want || ok != tt.ok {
			t.Errorf("%q of %q is %d, %t, want %d, %t", tt.key, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseOwn(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		ok         bool
	}{
		{"0::/system.slice/bulkhead.service\n", "/system.slice/bulkhead.service", true},
		{"4:memory:/old\n1:cpu:/\n0::/\n", "/", true},
		{"4:memory:/old\n", "", false},
		{"0::/with a space\n", "/with a space", true},
		{"", "", false},
	} {
		if got, ok := parseOwn(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %t", tt.text, got, ok)
		}
	}
}

func TestParseMount(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		ok         bool
	}{
		{"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup", true},
		{"29 28 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n40 28 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified", true},
		{"30 23 0:26 / /my\\040groups rw - cgroup2 none rw\n", "/my groups", true},
		{"29 28 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "", false},
		{"- cgroup2 x\n", "", false},
	} {
		if got, ok := parseMount(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %t", tt.text, got, ok)
		}
	}
}
