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

// observe tells the observer of a decision.
func (inv *invocation) observe(e *audit.Entry) {
	o := inv.s.o.Observer
	if o == nil {
		return
	}
	if text, err := json.Marshal(e); err == nil {
		o.Decided(plainjson.Escape(text))
	}
}
