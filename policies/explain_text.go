package policies

import (
	"fmt"
	"strconv"
	"strings"
)

// String tells the explanation to a person: the verdict on the first line,
// then the rules that were tried. What comes from the call is quoted.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, by %s of policy %s", e.API, e.Action, e.Rule, e.Policy)
	if e.Place != "" {
		fmt.Fprintf(&b, " (%s)", e.Place)
	}
	b.WriteString("\n")
	others := 0
	flush := func() {
		switch {
		case others == 1:
			b.WriteString("  1 rule is about other APIs\n")
		case others > 1:
			fmt.Fprintf(&b, "  %d rules are about other APIs\n", others)
		}
		others = 0
	}
	for _, c := range e.Considered {
		if len(c.Conditions) == 1 && !c.Decides {
			others++
			continue
		}
		flush()
		c.write(&b)
	}
	flush()
	for _, q := range e.Quotas {
		fmt.Fprintf(&b, "  charged to %s: %s\n", q.ID, q)
	}
	return b.String()
}

func (c Considered) write(b *strings.Builder) {
	outcome := "does not hold"
	if c.Decides {
		outcome = "decides: " + c.Action.String()
	}
	fmt.Fprintf(b, "  %s %s of policy %s (%s) %s\n", mark(c.Decides), c.Rule, c.Policy, c.Place, outcome)
	if c.Comment != "" {
		fmt.Fprintf(b, "      # %s\n", strings.Join(strings.Fields(c.Comment), " "))
	}
	for _, x := range c.Conditions {
		if x.Name == "api" {
			continue
		}
		fmt.Fprintf(b, "      %s %s: wants %s, sees %s", mark(x.Held), x.Name, x.Wanted, shown(x.Seen))
		if x.Note != "" {
			fmt.Fprintf(b, " (%s)", x.Note)
		}
		b.WriteString("\n")
	}
}

func mark(held bool) string {
	if held {
		return "+"
	}
	return "-"
}

func shown(seen string) string {
	if seen == "" {
		return "nothing"
	}
	return strconv.Quote(seen)
}

// String writes the quota as a policy does.
func (q *Quota) String() string {
	var parts []string
	if q.CallsPerInvocation > 0 {
		parts = append(parts, fmt.Sprintf("calls_per_invocation: %d", q.CallsPerInvocation))
	}
	if q.CallsPerSecond > 0 {
		parts = append(parts, fmt.Sprintf("calls_per_second: %g, burst: %d", q.CallsPerSecond, q.Burst))
	}
	if q.BytesPerMinute > 0 {
		parts = append(parts, "bytes_per_minute: "+formatSize(q.BytesPerMinute))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
