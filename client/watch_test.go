package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// InvokeWatched logs the event, waits to be canceled if it says so, and tells a
// verdict.
func (b *backend) InvokeWatched(ctx context.Context, _, function string, event value.Wire, w supervisor.Watch) (supervisor.Result, error) {
	w.Log(supervisor.Log{Time: time.Unix(1, 0), Message: function + " " + string(event)})
	if string(event) == `"wait"` {
		<-ctx.Done()
		return supervisor.Result{}, ctx.Err()
	}
	w.Verdict([]byte(`{"api":"kv.get"}`))
	r := b.result
	r.Wire = value.Wire(event)
	return r, b.err
}

func TestInvokeWatched(t *testing.T) {
	b, c := pair(t)
	b.result.Invocation, b.result.Memory = "i", 7
	watch := func(function, event string, fail error) (client.Result, string, error) {
		var told string
		r, err := c.InvokeWatched(t.Context(), "acme", function, json.RawMessage(event), func(h client.Happening) error {
			if h.Log != nil {
				told += "log " + h.Log.Message + "\n"
			} else {
				told += fmt.Sprintf("verdict %s %d\n", h.Verdict, h.Lost)
			}
			return fail
		})
		return r, told, err
	}
	r, told, err := watch("f@live", `[1]`, nil)
	if err != nil || told != "log f@live [1]\nverdict {\"api\":\"kv.get\"} 0\n" || string(r.Value) != "[1]" || r.Invocation != "i" || r.Memory != 7 || r.Logs == nil {
		t.Errorf("%+v %q %v", r, told, err)
	}
	// A result larger than a line of a stream of entries.
	if r, _, err := watch("f", `"`+strings.Repeat("a", 900<<10)+`"`, nil); err != nil || len(r.Value) != 900<<10+2 {
		t.Errorf("%d bytes, %v", len(r.Value), err)
	}
	b.err = &outcome.Error{Outcome: outcome.Deadline, Detail: "too late", Remedy: "be quick"}
	var e *outcome.Error
	if r, told, err := watch("f", "1", nil); !errors.As(err, &e) || e.Outcome != outcome.Deadline || e.Remedy != "be quick" || r.Invocation != "i" || told == "" {
		t.Errorf("%+v %q %v", r, told, err)
	}
	mine := errors.New("mine")
	if _, _, err := watch("f", `"wait"`, mine); !errors.Is(err, mine) {
		t.Errorf("%v", err)
	}
	if _, told, err := watch("f", "{", nil); outcome.Of(err) != outcome.Invalid || told != "" {
		t.Errorf("%q %v", told, err)
	}
}

func TestUploadIsTold(t *testing.T) {
	_, c := pair(t)
	code := strings.Repeat("/", 1<<20)
	var seen []int64
	ctx := client.WithUpload(t.Context(), func(n, total int64) {
		if total != int64(len(code)) {
			t.Errorf("of %d", total)
		}
		seen = append(seen, n)
	})
	if _, _, err := c.Deploy(ctx, "acme", "f", code, client.FunctionSettings{}); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 10 || seen[len(seen)-1] != int64(len(code)) {
		t.Errorf("%v", seen)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] < seen[i-1] {
			t.Errorf("%v", seen)
		}
	}
}

func TestSelf(t *testing.T) {
	_, c := pair(t)
	if s, err := c.Self(t.Context()); err != nil || !s.Admin || s.Name == "" {
		t.Errorf("%+v %v", s, err)
	}
}
