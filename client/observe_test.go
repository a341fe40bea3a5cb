package client_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
)

func TestObserve(t *testing.T) {
	_, c := pair(t)
	stats, err := c.Stats(t.Context(), "memory", 1)
	if err != nil || len(stats.Tenants) != 1 || stats.Tenants[0].Tenant != "b" || stats.More != 1 || stats.Window != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	sandboxes, err := c.Sandboxes(t.Context())
	if err != nil || len(sandboxes) != 1 || sandboxes[0].PID != 7 || sandboxes[0].State != "spare" || sandboxes[0].Resident != 8 {
		t.Errorf("%+v, %v", sandboxes, err)
	}
	read := func(f client.LogFilter) (got string, err error) {
		err = c.Logs(t.Context(), f, func(line []byte) error {
			var l client.LogLine
			if err := json.Unmarshal(line, &l); err != nil {
				return err
			}
			got += fmt.Sprint(l.Tenant, l.Function, l.Level, l.Message)
			return nil
		})
		return got, err
	}
	if got, err := read(client.LogFilter{Tenant: "acme", Function: "f", Level: "warn", Tail: 3, Grep: "x"}); got != "acmefWARN3 x false" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	// Who follows is told when the stream ends though nobody asked for that.
	if got, err := read(client.LogFilter{Tail: -1, Follow: true}); got != "DEBUG-1 <nil> true" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := read(client.LogFilter{Level: "loud"}); err == nil {
		t.Error("a level that there is not was taken")
	}
}
