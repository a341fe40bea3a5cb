package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// firstSweep is how many limiters there may be before idle ones are dropped.
const firstSweep = 4096

// limits hold callers to their rate, and to how much they have under way.
type limits struct {
	mu    sync.Mutex
	all   map[limited]*limiter
	sweep int
}

// limited is who is held: a tenant, or a token by its id.
type limited struct{ kind, name string }

const (
	limitedTenant = "tenant"
	limitedToken  = "token"
)

// limiter is one's. The lock of limits guards it.
type limiter struct {
	who      limited
	limit    supervisor.Limits
	bucket   *rate.Limiter // nil without a rate
	inflight int
}

func newLimits() *limits { return &limits{all: make(map[limited]*limiter), sweep: firstSweep} }

// get returns a limiter, as its limit is now. The lock is held.
func (l *limits) get(who limited, limit supervisor.Limits, now time.Time) *limiter {
	if limit.Rate > 0 && limit.Burst == 0 {
		limit.Burst = max(1, int(math.Ceil(limit.Rate)))
	}
	k := l.all[who]
	if k == nil {
		l.drop(now)
		k = &limiter{who: who}
		l.all[who] = k
	}
	if k.limit != limit {
		k.limit = limit
		switch {
		case limit.Rate == 0:
			k.bucket = nil
		case k.bucket == nil:
			k.bucket = rate.NewLimiter(rate.Limit(limit.Rate), limit.Burst)
		default:
			k.bucket.SetLimitAt(now, rate.Limit(limit.Rate))
			k.bucket.SetBurstAt(now, limit.Burst)
		}
	}
	return k
}

// drop forgets those with nothing under way and a full bucket, which is what
// a new one is. The lock is held.
func (l *limits) drop(now time.Time) {
	if len(l.all) < l.sweep {
		return
	}
	for who, k := range l.all {
		if k.inflight == 0 && (k.bucket == nil || k.bucket.TokensAt(now) >= float64(k.limit.Burst)) {
			delete(l.all, who)
		}
	}
	l.sweep = max(firstSweep, 2*len(l.all))
}

// enter counts an invocation against each of the limits, or against none.
// Then over is the one that it is over, and wait how long that may take.
func (l *limits) enter(each []*limiter, now time.Time) (over *limiter, byRate bool, wait time.Duration) {
	for _, k := range each {
		if k.limit.MaxInflight > 0 && k.inflight >= k.limit.MaxInflight {
			return k, false, time.Second
		}
	}
	var taken []*rate.Reservation
	for _, k := range each {
		if k.bucket == nil {
			continue
		}
		r := k.bucket.ReserveN(now, 1)
		taken = append(taken, r)
		if wait := r.DelayFrom(now); wait > 0 {
			for i := len(taken) - 1; i >= 0; i-- {
				taken[i].CancelAt(now)
			}
			return k, true, wait
		}
	}
	for _, k := range each {
		k.inflight++
	}
	return nil, false, 0
}

// admit decides whether an invocation may come in, before its body is read. token
// is its caller's, nil for none. The caller calls leave when it has been answered.
func (s *Server) admit(w http.ResponseWriter, token *tokens.Token, tenant, function string) (leave func(), p *problem) {
	limit, err := s.backend.Limits(tenant)
	if err != nil {
		return nil, s.problemOf(err, tenant, function)
	}
	now, l := time.Now(), s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	each := make([]*limiter, 0, 2)
	if token != nil && (token.Rate > 0 || token.MaxInflight > 0) {
		each = append(each, l.get(limited{limitedToken, token.ID}, supervisor.Limits{Rate: token.Rate, Burst: token.Burst, MaxInflight: token.MaxInflight}, now))
	}
	each = append(each, l.get(limited{limitedTenant, tenant}, limit, now))
	over, byRate, wait := l.enter(each, now)
	describeLimits(w.Header(), each, now)
	if over != nil {
		s.limitedRequests.Add(1)
		return nil, s.problemOf(over.refusal(tenant, function, byRate, wait), tenant, function)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, k := range each {
			k.inflight--
		}
	}, nil
}

func (k *limiter) refusal(tenant, function string, byRate bool, wait time.Duration) error {
	e := &outcome.Error{Outcome: outcome.Limited, Tenant: tenant, Function: function, RetryAfter: wait}
	if byRate {
		e.Detail = fmt.Sprintf("the %s's rate is %s, with a burst of %d", k.who.kind, FormatRate(k.limit.Rate), k.limit.Burst)
	} else {
		e.Detail = fmt.Sprintf("the %s has %d invocations under way, which is the most", k.who.kind, k.limit.MaxInflight)
	}
	e.Remedy = "wait as long as Retry-After says; an operator raises the limit in the tenant's tier"
	if k.who.kind == limitedToken {
		e.Remedy = "wait as long as Retry-After says; an operator makes a token with another limit"
	}
	return e
}

// describeLimits sets the headers of draft-ietf-httpapi-ratelimit-headers-11: of
// each rate its quota (the burst) with the seconds in which an empty one fills,
// and what is left of it with the seconds until it is full.
func describeLimits(h http.Header, each []*limiter, now time.Time) {
	var policies, left []string
	for _, k := range each {
		if k.bucket == nil {
			continue
		}
		tokens, burst := max(0, k.bucket.TokensAt(now)), float64(k.limit.Burst)
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%.0f", k.who.kind, k.limit.Burst, math.Ceil(burst/k.limit.Rate)))
		left = append(left, fmt.Sprintf("%q;r=%.0f;t=%.0f", k.who.kind, math.Floor(tokens), math.Ceil((burst-tokens)/k.limit.Rate)))
	}
	if len(policies) > 0 {
		h.Set("RateLimit-Policy", strings.Join(policies, ", "))
		h.Set("RateLimit", strings.Join(left, ", "))
	}
}
