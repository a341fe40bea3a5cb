package activity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/activity"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

var began = time.Unix(1_800_000_000, 0)

func ok(d time.Duration) activity.Invocation {
	return activity.Invocation{Outcome: outcome.OK, Duration: d}
}

// However many tenants there are, the labels are as few as they should be, and
// no invocation is missing from their counters.
func TestTenThousandTenants(t *testing.T) {
	tr := activity.New(activity.Options{Labels: 20, Tracked: 500})
	now := began
	var sent uint64
	for i := range 10_000 {
		name := fmt.Sprintf("tenant-%d", i)
		for range 1 + i%3 {
			tr.Ended(name, ok(time.Millisecond), now)
			sent++
		}
		tr.Used(name, time.Millisecond, now)
		tr.Killed(name, now)
		now = now.Add(time.Millisecond)
	}
	// Of labels that were lost on the way the counters are gone: what is left
	// plus what Other has cannot be more than what was sent.
	all := tr.Labelled(now)
	if len(all) != 21 || all[20].Tenant != activity.Other {
		t.Fatalf("%d labels, the last %q; want 20 and %q", len(all), all[len(all)-1].Tenant, activity.Other)
	}
	var counted uint64
	for _, l := range all {
		counted += l.Invocations
	}
	if counted > sent || all[20].Invocations == 0 || all[20].Kills == 0 || all[20].CPU == 0 {
		t.Errorf("counted %d of %d, under Other %+v", counted, sent, all[20])
	}
	if recent, _ := tr.Recent(now); len(recent) > 500 {
		t.Errorf("%d tenants are tracked; want at most 500", len(recent))
	}
}

// A tenant that becomes much more active than a label's owner takes it; the
// counters of Other do not go back for it.
func TestLabelsGoToTheMostActive(t *testing.T) {
	tr := activity.New(activity.Options{Labels: 2})
	now := began
	labels := func() (names []string, other uint64) {
		all := tr.Labelled(now)
		for _, l := range all[:len(all)-1] {
			names = append(names, l.Tenant)
		}
		return names, all[len(all)-1].Invocations
	}
	for range 10 {
		tr.Ended("quiet", ok(0), now)
		tr.Ended("steady", ok(0), now)
		tr.Ended("steady", ok(0), now)
		tr.Ended("late", ok(0), now)
	}
	if names, other := labels(); fmt.Sprint(names) != "[quiet steady]" || other != 10 {
		t.Fatalf("labels %v, other %d", names, other)
	}
	for range 11 {
		tr.Ended("late", ok(0), now)
	}
	if names, other := labels(); fmt.Sprint(names) != "[late steady]" || other != 21 {
		t.Errorf("labels %v, other %d; want late and steady, 21", names, other)
	}
	tr.Ended("late", activity.Invocation{Outcome: outcome.Deadline, Duration: time.Second, Cold: true}, now)
	late := tr.Labelled(now)[0]
	if late.Invocations != 1 || late.Errors != 1 || late.Cold != 1 || late.Outcomes[outcome.Deadline] != 1 || late.Duration != time.Second {
		t.Errorf("a new label begins with %+v", late)
	}
	// What was long ago counts for little.
	now = now.Add(time.Hour)
	for range 3 {
		tr.Ended("quiet", ok(0), now)
	}
	if names, other := labels(); fmt.Sprint(names) == "[late steady]" || other != 24 {
		t.Errorf("after an hour the labels are %v, other %d", names, other)
	}
	tr.Forget("quiet")
	if names, _ := labels(); len(names) != 2 {
		t.Errorf("after a deletion: %v", names)
	}
	none := activity.New(activity.Options{Labels: -1})
	none.Ended("a", ok(0), now)
	if all := none.Labelled(now); len(all) != 1 || all[0].Invocations != 1 {
		t.Errorf("without labels: %+v", all)
	}
}

func TestRecent(t *testing.T) {
	tr := activity.New(activity.Options{})
	now := began
	for i := range 100 {
		tr.Ended("a", ok(time.Duration(i+1)*time.Millisecond), now)
	}
	tr.Ended("b", activity.Invocation{Outcome: outcome.Exception, Duration: time.Minute}, now)
	tenants, all := tr.Recent(now)
	var a, b activity.Recent
	for _, r := range tenants {
		if r.Tenant == "a" {
			a = r
		} else {
			b = r
		}
	}
	near := func(d time.Duration, want time.Duration) bool { return d > want*8/10 && d < want*12/10 }
	if a.Rate != 10 || a.ErrorRate != 0 || !near(a.P50, 50*time.Millisecond) || !near(a.P99, 99*time.Millisecond) {
		t.Errorf("a: %+v", a)
	}
	if b.Rate != 0.1 || b.ErrorRate != 0.1 || !near(b.P50, time.Minute) || b.Since.Errors != 1 {
		t.Errorf("b: %+v", b)
	}
	if all.Rate != 10.1 || all.Since.Invocations != 101 {
		t.Errorf("all: %+v", all)
	}
	tenants, all = tr.Recent(now.Add(activity.Window + time.Second))
	if len(tenants) != 2 || all.Rate != 0 || all.P50 != 0 || all.Since.Invocations != 101 {
		t.Errorf("later: %+v", all)
	}
}

func BenchmarkEnded(b *testing.B) {
	tr := activity.New(activity.Options{})
	now := began
	b.ReportAllocs()
	for b.Loop() {
		tr.Ended("acme", ok(time.Millisecond), now)
	}
}
