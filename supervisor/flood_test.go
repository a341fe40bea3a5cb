package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// Whatever a compromised process sends without end is counted, and ends its
// invocation: not with its process, for a function in a sound one can bring
// most of it about; and not with more than a bounded record.
func TestFloods(t *testing.T) {
	data := t.TempDir()
	s := open(t, func(o *supervisor.Options) {
		o.DataDir = data
		o.APIs = []platform.API{upper(), keyed("kv.get")}
		o.Policies = append(o.Policies, policy(t, "few", "rules:\n  - api: upper\n    action: allow"))
	})
	deploy(t, s, "neighbour", "f", `call upper ["n"]`+"\nanswer")
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "mallory", Policy: "few"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "mallory", Function: "fine", Code: "return 1"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, source, detail string
	}{
		{"refused", `refused 5000 kv.get ["x"]`, "100 of its host calls were denied"},
		{"refused-wrongly", `refused 21000 upper ["x"]`, "after 20000 of them"},
		{"refused-large", `refused 110 kv.get ["` + strings.Repeat("a", 100<<10) + `"]`, "100 of its host calls were denied"},
		{"denied", `calls-only 5000 kv.get ["x"]`, "of its host calls were denied"},
		{"calls", `calls-only 21000 upper ["x"]`, "after 20000 of them"},
		{"reads", `calls-only 21000 stream:read [1]`, "after 20000 of them"},
		{"closes", `calls-only 21000 stream:cancel [4294967295]`, "after 20000 of them"},
		{"cancels", `calls-only 21000 call:cancel [7]`, "after 20000 of them"},
		{"opens", `calls-only 21000 stream:open [0]`, "after 20000 of them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "mallory", Function: tt.name, Code: tt.source + "\nuntil-cancel", Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.Invoke(context.Background(), "mallory", tt.name, nil)
				done <- err
			}()
			for waiting := true; waiting; {
				select {
				case err = <-done:
					waiting = false
				default:
					if got := say(t, s, "neighbour"); got != `"N"` {
						t.Errorf("the neighbour heard %s", got)
					}
				}
			}
			if e := wantOutcome(t, err, outcome.Policy); !strings.Contains(e.Detail, tt.detail) || e.Remedy == "" {
				t.Errorf("ended with %+v", e)
			}
			// A process that did not heed the end within the grace is another one.
			after, err := s.Invoke(t.Context(), "mallory", "fine", nil)
			wantValue(t, after, err, "1")
		})
	}
	if n := s.Stats(); n.Ended["violation"]+n.Ended["crash"] != 0 {
		t.Errorf("stats %+v", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	denied, most := map[string]int{}, 0
	text, err := os.ReadFile(filepath.Join(data, "audit", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		most = max(most, len(line))
	}
	for _, e := range entries(t, data) {
		if e.Action == "deny" {
			denied[e.Function]++
		}
	}
	// Those that run beside the hundredth are decided as well.
	if denied["refused"] != 100 || denied["refused-large"] != 100 || denied["denied"] < 100 || denied["denied"] > 164 || denied["refused-wrongly"] != 0 {
		t.Errorf("recorded %v", denied)
	}
	if most > 16<<10 {
		t.Errorf("an entry of %d bytes", most)
	}
}

// hostileText would forge a line, a field or a tenant, and act on a terminal.
const hostileText = "a\nb\r\x1b[2J\x1b]0;x\x07\u009b2J\u202e\u2028\x7f\",\"tenant\":\"victim\",\"level\":\"ERROR\",\"x\":\"\x00\\"

// What a tenant says is one record of each log, in which the tenant's name is
// the supervisor's word and nothing acts on a terminal.
func TestForgedRecords(t *testing.T) {
	for format, handler := range map[string]func(*safeBuffer) slog.Handler{
		"json": func(b *safeBuffer) slog.Handler { return slog.NewJSONHandler(plainjson.NewWriter(b), nil) },
		"text": func(b *safeBuffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		t.Run(format, func(t *testing.T) {
			data := t.TempDir()
			var log safeBuffer
			s := open(t, func(o *supervisor.Options) {
				o.DataDir, o.APIs = data, []platform.API{keyed("kv.get"), keyed("kv.put")}
				o.Logger = slog.New(handler(&log))
				o.Policies = append(o.Policies, policy(t, "watched", "rules:\n  - api: kv.get\n    action: audit"))
			})
			if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "mallory", Policy: "watched"}); err != nil {
				t.Fatal(err)
			}
			code := "text log\ntext call kv.get\ntext call kv.put\nreturn 1"
			if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "mallory", Function: "f", Code: code, Timeout: 30 * time.Second}); err != nil {
				t.Fatal(err)
			}
			r, err := s.Invoke(t.Context(), "mallory", "f", nil)
			wantValue(t, r, err, "1")
			if len(r.Logs) != 1 || r.Logs[0].Message != hostileText {
				t.Errorf("logged %q", r.Logs)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			records := 0
			for line := range strings.Lines(log.String()) {
				if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), plainjson.Acts) {
					t.Errorf("this can act on a terminal: %q", line)
				}
				if strings.Contains(line, "level=ERROR ") || strings.HasPrefix(line, `{"time":"`) && strings.Contains(line, `"level":"ERROR","msg`) {
					t.Errorf("above info: %q", line)
				}
				if !strings.Contains(line, "function log") {
					continue
				}
				records++
				if format == "text" {
					if strings.Count(line, " tenant=") != 1 || !strings.Contains(line, " tenant=mallory ") {
						t.Errorf("record %q", line)
					}
					continue
				}
				var record struct{ Tenant, Level, Message string }
				if err := json.Unmarshal([]byte(line), &record); err != nil || record.Tenant != "mallory" || record.Level != "INFO" || record.Message != hostileText {
					t.Errorf("record %+v, %v", record, err)
				}
			}
			if records != 1 {
				t.Errorf("%d records of one line:\n%s", records, log.String())
			}

			text, err := os.ReadFile(filepath.Join(data, "audit", "audit.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > 32<<10 || bytes.ContainsFunc(bytes.ReplaceAll(text, []byte("\n"), nil), plainjson.Acts) {
				t.Errorf("the audit log has %d bytes, or can act on a terminal", len(text))
			}
			var actions []string
			for _, e := range entries(t, data) {
				if e.Tenant != "mallory" || e.Function != "f" || !strings.HasPrefix(e.Attributes.Key, hostileText) {
					t.Errorf("entry %+v", e)
				}
				actions = append(actions, e.Action+" "+e.API)
			}
			if !slices.Equal(actions, []string{"deny kv.put", "audit kv.get"}) && !slices.Equal(actions, []string{"audit kv.get", "deny kv.put"}) {
				t.Errorf("recorded %v", actions)
			}
		})
	}
}

// What a canceled invocation still waits for is never the next one's to hear,
// however late it comes.
func TestLateAnswersReachNobody(t *testing.T) {
	var round atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	s := open(t, apis(platform.API{Name: "late", Func: func(context.Context, *platform.Call) (any, error) {
		n := round.Load()
		entered <- struct{}{}
		<-release // whatever its context says
		return fmt.Sprint("answer ", n), nil
	}}, upper()))
	deploy(t, s, "acme", "first", "call-only late []\nuntil-cancel", timeout(30*time.Second))
	deploy(t, s, "acme", "next", "call upper [\"mine\"]\nanswer", timeout(30*time.Second))
	for range 20 {
		round.Add(1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := s.Invoke(ctx, "acme", "first", nil); done <- err }()
		<-entered
		cancel()
		wantOutcome(t, <-done, outcome.Canceled)
		next := make(chan supervisor.Result, 1)
		go func() { r, _ := s.Invoke(context.Background(), "acme", "next", nil); next <- r }()
		release <- struct{}{}
		if r := <-next; string(r.Value) != `"\"MINE\""` {
			t.Fatalf("the next invocation heard %s", r.Value)
		}
	}
}
