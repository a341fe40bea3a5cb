package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Bounds of what is learned from.
const (
	maxAuditLine  = 1 << 20
	maxAuditCalls = 1_000_000
)

// seen is what an audit log tells.
type seen struct {
	calls  []policies.Call
	denied int    // left out
	hint   string // what to do about these
	lost   uint64 // not in the log
}

// readAudit reads the calls of an audit log, and counts those that it leaves
// out because they were denied.
func readAudit(in io.Reader, tenant, function string, all bool) (seen, error) {
	s := seen{hint: "; --denied takes them in"}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxAuditLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var line struct {
			policies.Call
			Tenant   string `json:"tenant"`
			Function string `json:"function"`
			Action   string `json:"action"`
			Lost     uint64 `json:"lost"`
		}
		err := json.Unmarshal(lines.Bytes(), &line)
		switch {
		case err == nil && line.Lost > 0:
			s.lost += line.Lost
		case err != nil || line.API == "":
			return s, usagef("line %d is not a call of an audit log", n)
		case tenant != "" && line.Tenant != tenant, function != "" && line.Function != function:
		case !all && (line.Action == "deny" || line.Action == "kill"):
			s.denied++
		case len(s.calls) == maxAuditCalls:
			return s, usagef("there are more than %d calls; choose some with --tenant and --function", maxAuditCalls)
		default:
			s.calls = append(s.calls, line.Call)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return s, usagef("line %d is longer than %d bytes", n+1, maxAuditLine)
	} else if err != nil {
		return s, usagef("cannot read the audit log: %v", plain(err))
	}
	return s, nil
}
