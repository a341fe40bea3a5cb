package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wallClock are the files in which a time of day leaves the process or comes
// from outside, with what a clock that jumps does there. Everything else
// compares readings of one process's monotonic clock: deadlines, graces, back-off,
// idleness, rates.
var wallClock = map[string]string{
	"supervisor/quota.go":           "tells when there is room again; the quota itself is kept by the monotonic clock",
	"platform/args.go":              "the same, for other quotas",
	"platform/queue/consume.go":     "tells when a message was sent",
	"platform/queue/queue.go":       "the same; a delay is JetStream's, by the time of day",
	"platform/secrets/secrets.go":   "tells when a secret was changed",
	"platform/storage/api.go":       "tells when an object was stored",
	"platform/endpoint/endpoint.go": "tells the endpoint the deadline; it is kept by the monotonic clock",
	"platform/kv/tenant.go":         "a key's end is a time of day, and a clock that jumps beyond it ends the key",
	"platform/kv/api.go":            "tells a key's end",
	"gateway/logs.go":               "a reader of logs names a time of day from which on",
	"gateway/tls.go":                "tells when a certificate expired that is not taken; the one in use stays",
	"gateway/usage.go":              "a reader of usage names a time of day from which on",
	"supervisor/canary.go":          "numbers the parts of a split's window; a jump begins a new window",
	"supervisor/split.go":           "tells when a split began",
	"internal/store/record.go":      "tells when a record was written; revisions order records",
}

// No deadline depends on the time of day: where it is used is known, and for
// what. TestClockJumps has it jump.
func TestWallClockIsNotUsed(t *testing.T) {
	reading := regexp.MustCompile(`\.Unix(Milli|Micro|Nano)?\(\)|time\.Unix(Milli|Micro)?\(|\.Round\(0\)|\.Format\(time|time\.(Parse|Date)\(`)
	found := map[string]bool{}
	for _, dir := range []string{"supervisor", "gateway", "platform", "ipc", "internal/child", "internal/handshake", "internal/store", "internal/snapshots"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") || strings.Contains(path, "dbtest") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for n, line := range strings.Split(string(text), "\n") {
				if !reading.MatchString(line) || strings.HasPrefix(strings.TrimSpace(line), "//") {
					continue
				}
				file := filepath.ToSlash(strings.TrimPrefix(path, filepath.Join("..", "..")+string(filepath.Separator)))
				found[file] = true
				if wallClock[file] == "" {
					t.Errorf("%s:%d uses the time of day: say above what a clock that jumps does there, or use a duration", file, n+1)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for file := range wallClock {
		if !found[file] {
			t.Errorf("%s does not use the time of day any more", file)
		}
	}
}
