package ledger

import "time"

// Invocation is what one invocation used.
type Invocation struct {
	Outcome           string
	Cold              bool
	Wall, Queued, CPU time.Duration
	// Memory is its peak in bytes; it counts for the time that it Ran.
	Memory int64
	Ran    time.Duration
	Calls  []Call
}

// Call is what its host calls of one API came to.
type Call struct {
	API    string
	Totals CallTotals
}

// Totals are sums over invocations. Times are in nanoseconds.
type Totals struct {
	Outcomes map[string]uint64 `json:"outcomes"` // invocations by outcome
	Cold     uint64            `json:"cold,omitempty"`
	Wall     time.Duration     `json:"wall"`
	Queued   time.Duration     `json:"queued,omitempty"`
	CPU      time.Duration     `json:"cpu"`
	// Memory is peak memory times the time that it was held: KiB·ms, rounded
	// for each invocation.
	Memory uint64                 `json:"memory"`
	Calls  map[string]*CallTotals `json:"calls,omitempty"` // by API
}

// CallTotals are sums over host calls.
type CallTotals struct {
	Count    uint64        `json:"count"`
	Failed   uint64        `json:"failed,omitempty"`
	Denied   uint64        `json:"denied,omitempty"`
	Time     time.Duration `json:"time"`
	Sent     uint64        `json:"sent,omitempty"`
	Received uint64        `json:"received,omitempty"`
}

// Invocations returns how many there were, and how many of them did not end
// with the outcome ok.
func (t *Totals) Invocations() (all, errors uint64) {
	for name, n := range t.Outcomes {
		all += n
		if name != "ok" {
			errors += n
		}
	}
	return all, errors
}

// GBSeconds returns the memory-time in 10⁹ bytes times seconds.
func (t *Totals) GBSeconds() float64 { return float64(t.Memory) * 1024 / 1e9 / 1e3 }

// HostCalls adds up the calls of all APIs.
func (t *Totals) HostCalls() (all CallTotals) {
	for _, c := range t.Calls {
		all.add(c)
	}
	return all
}

func (t *Totals) invocation(i *Invocation) {
	if t.Outcomes == nil {
		t.Outcomes = make(map[string]uint64)
	}
	t.Outcomes[i.Outcome]++
	if i.Cold {
		t.Cold++
	}
	t.Wall += i.Wall
	t.Queued += i.Queued
	t.CPU += i.CPU
	t.Memory += (uint64(max(i.Memory, 0))/1024*uint64(max(i.Ran, 0).Microseconds()) + 500) / 1000
	for k := range i.Calls {
		t.call(i.Calls[k].API, &i.Calls[k].Totals)
	}
}

func (t *Totals) call(api string, c *CallTotals) {
	if t.Calls == nil {
		t.Calls = make(map[string]*CallTotals)
	}
	sum := t.Calls[api]
	if sum == nil {
		sum = &CallTotals{}
		t.Calls[api] = sum
	}
	sum.add(c)
}

// Add adds what others used.
func (t *Totals) Add(o *Totals) {
	if t.Outcomes == nil {
		t.Outcomes = make(map[string]uint64)
	}
	for name, n := range o.Outcomes {
		t.Outcomes[name] += n
	}
	t.Cold += o.Cold
	t.Wall += o.Wall
	t.Queued += o.Queued
	t.CPU += o.CPU
	t.Memory += o.Memory
	for api, c := range o.Calls {
		if c != nil {
			t.call(api, c)
		}
	}
}

func (c *CallTotals) add(o *CallTotals) {
	c.Count += o.Count
	c.Failed += o.Failed
	c.Denied += o.Denied
	c.Time += o.Time
	c.Sent += o.Sent
	c.Received += o.Received
}
