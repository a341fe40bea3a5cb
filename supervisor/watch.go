package supervisor

import (
	"encoding/json"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

// Watch is told what happens in one invocation while it happens. Its functions
// are called from several goroutines at once, and the invocation waits for
// them: they must not block. Any of them may be nil.
//
// Try and InvokeWatched take one; Options.Watch gives one to each invocation, for tools on a
// developer's machine. To watch a server, follow Logs and FollowAudit, which
// nobody waits for.
type Watch struct {
	// Log takes a line of the log: those that Result.Logs holds at the end.
	Log func(Log)
	// Verdict takes a decision about a host call, a JSON object as the audit log
	// has them. Its invocation is not bounded in how many it causes.
	Verdict func([]byte)
	// Ended is called last, when the invocation has ended.
	Ended func(Ended)
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

// watched has an invocation, before it begins, looked on by whoever looks on
// all of them, and by who asked for it.
func (inv *invocation) watched(asked ...Watch) {
	if all := inv.s.o.Watch; all != nil {
		inv.watches = append(inv.watches, all(inv.tenant, inv.function, inv.id))
	}
	inv.watches = append(inv.watches, asked...)
}

// told tells who looks on of a line of the function's log.
func (inv *invocation) told(line Log) {
	if len(inv.watches) == 0 {
		return
	}
	line.Message = inv.sources.text(line.Message)
	for _, w := range inv.watches {
		if w.Log != nil {
			w.Log(line)
		}
	}
}

// audited records a decision about a host call, and tells who looks on.
func (inv *invocation) audited(e *audit.Entry) {
	inv.s.audit.Record(e)
	var text []byte
	for _, w := range inv.watches {
		if w.Verdict == nil {
			continue
		}
		if text == nil {
			var err error
			if text, err = json.Marshal(e); err != nil {
				return
			}
			text = plainjson.Escape(text)
		}
		w.Verdict(text)
	}
}

// finished tells who looks on how it ended.
func (inv *invocation) finished(result *Result, err error) {
	for _, w := range inv.watches {
		if w.Ended != nil {
			w.Ended(Ended{
				Tenant: inv.tenant, Function: inv.function, Result: *result, Err: err, Memory: result.Memory, Ran: inv.ran,
				Calls: inv.calls, Denied: int(inv.denied.Load()),
			})
		}
	}
}
