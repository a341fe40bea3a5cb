package supervisor

import (
	"encoding/json"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

// Observer is told what happens while it happens, of each invocation in order.
// Its methods are called from many goroutines, and the invocation waits for
// them: it is for tools on a developer's machine. To watch a server, follow
// Logs and FollowAudit, which nobody waits for.
type Observer interface {
	// Logged is called with each line that a function logs.
	Logged(tenant, function, invocation string, l Log)
	// Decided is called with each decision about a host call that was not to
	// allow it: a line of the audit log.
	Decided(entry []byte)
	// Ended is called when an invocation has ended.
	Ended(e Ended)
}

// Ended is an invocation that has ended, however it did.
type Ended struct {
	Tenant, Function string
	Result           Result
	// Err is why it failed; nil if it did not.
	Err error
	// Memory is the most that its instance had, in bytes, as the sandbox
	// tells; 0 when that is not known.
	Memory int64
	// Ran is how long it ran in the sandbox.
	Ran time.Duration
	// Calls is how many host calls it made, Denied how many of them the policy
	// denied.
	Calls, Denied int
}

// MaxCalls is how many host calls one invocation can make.
const MaxCalls = maxHostCalls

// told tells whoever looks on of a line of the function's log.
func (inv *invocation) told(line Log) {
	inv.watch.log(inv, line)
	if o := inv.s.o.Observer; o != nil {
		line.Message = inv.sources.text(line.Message)
		o.Logged(inv.tenant, inv.function, inv.id, line)
	}
}

// audited records a decision about a host call, and tells whoever looks on: the
// observer only of those that were not to allow it.
func (inv *invocation) audited(e *audit.Entry) {
	inv.s.audit.Record(e)
	o := inv.s.o.Observer
	if e.Action == "allow" || e.Action == "audit" {
		o = nil
	}
	verdict := inv.watch.verdict()
	if o == nil && verdict == nil {
		return
	}
	text, err := json.Marshal(e)
	if err != nil {
		return
	}
	text = plainjson.Escape(text)
	if verdict != nil {
		verdict(text)
	}
	if o != nil {
		o.Decided(text)
	}
}
