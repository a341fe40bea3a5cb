package handshake

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "in"), t.TempDir()
	if err := os.MkdirAll(filepath.Join(inside, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	listen := func(path string) string {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return path
	}
	good := listen(filepath.Join(inside, "s"))
	other := listen(filepath.Join(outside, "s"))
	link := filepath.Join(inside, "link")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		network, address string
		ok               bool
	}{
		{"unix", good, true},
		{"unix", other, false},
		{"unix", link, false},
		{"unix", filepath.Join(inside, "sub"), false},
		{"unix", filepath.Join(inside, "none"), false},
		{"unix", inside + "/../" + filepath.Base(inside) + "/s", false},
		{"unix", "@abstract", false},
		{"unix", "", false},
		{"unixgram", good, false},
		{"tcp", "127.0.0.1:80", false},
	} {
		if err := checkAddress(inside, tt.network, tt.address); (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.network, tt.address, err)
		}
	}
}
