package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	logsPath = "/v1/logs"
	maxGrep  = 1024 // bytes
)

// logLine documents a line of a function's log.
type logLine struct {
	Time       time.Time `json:"time"`
	Tenant     string    `json:"tenant"`
	Function   string    `json:"function"`
	Version    string    `json:"version,omitempty"`
	Invocation string    `json:"invocation"`
	Trace      string    `json:"trace,omitempty" doc:"The id of the OpenTelemetry trace that the invocation is part of"`
	Level      string    `json:"level" enum:"debug,info,warn,error"`
	Message    string    `json:"message"`
	Outcome    string    `json:"outcome,omitempty" doc:"How the invocation failed, where the line tells that; the function's own lines have none"`
	Lost       uint64    `json:"lost,omitempty" doc:"How many lines before this one a client that follows has missed"`
}

// logs streams functions' logs.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	filter, problems := logFilter(r.URL.Query(), time.Now())
	if len(problems) > 0 {
		s.problemOf(&outcome.Error{Outcome: outcome.Invalid, Detail: "the query was refused", Problems: problems}, "", "").write(w)
		return
	}
	s.follow(w, r, func(ctx context.Context, l *lineStream) error {
		return s.backend.Logs(ctx, filter, l.begin, l.line)
	})
}

func logFilter(query url.Values, now time.Time) (f supervisor.LogFilter, problems []outcome.Problem) {
	f = supervisor.LogFilter{Level: slog.LevelDebug, Tail: -1}
	read := map[string]func(string) error{
		"tenant":   func(v string) error { f.Tenant = v; return nil },
		"function": func(v string) error { f.Function = v; return nil },
		"level":    func(v string) error { return logLevel(v, &f.Level) },
		"outcome":  func(v string) error { return logOutcome(v, &f.Outcome) },
		"since": func(v string) (err error) {
			if d, short := time.ParseDuration(v); short == nil && d >= 0 {
				f.Since = now.Add(-d)
				return nil
			}
			if f.Since, err = time.Parse(time.RFC3339, v); err != nil {
				return fmt.Errorf("%q is neither a time like 2026-01-02T15:04:05Z nor a duration like 10m", v)
			}
			return nil
		},
		"tail": func(v string) (err error) {
			if f.Tail, err = strconv.Atoi(v); err != nil || f.Tail < 0 {
				return fmt.Errorf("%q is not a number of lines", v)
			}
			return nil
		},
		"grep": func(v string) (err error) {
			if len(v) > maxGrep {
				return fmt.Errorf("it has %d bytes; the most is %d", len(v), maxGrep)
			}
			f.Grep, err = regexp.Compile(v)
			return err
		},
		"follow": func(v string) (err error) {
			if f.Follow, err = strconv.ParseBool(v); err != nil {
				return fmt.Errorf("%q is neither true nor false", v)
			}
			return nil
		},
	}
	for name, values := range query {
		set := read[name]
		if set == nil {
			problems = append(problems, outcome.Problem{Field: name, Reason: "logs are chosen by tenant, function, level, outcome, since, tail, grep and follow"})
		} else if len(values) > 1 {
			problems = append(problems, outcome.Problem{Field: name, Reason: "is given more than once"})
		} else if err := set(values[0]); err != nil {
			problems = append(problems, outcome.Problem{Field: name, Reason: err.Error()})
		}
	}
	if f.Function != "" && f.Tenant == "" {
		problems = append(problems, outcome.Problem{Field: "function", Reason: "needs a tenant beside it"})
	}
	return f, problems
}

func logOutcome(name string, into *string) error {
	names := []string{"failed"}
	for _, o := range outcome.All() {
		if o != outcome.OK {
			names = append(names, o.String())
		}
	}
	if *into = name; !slices.Contains(names, name) {
		return fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
	}
	return nil
}

func logLevel(name string, level *slog.Level) error {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if name == levelName(l) {
			*level = l
			return nil
		}
	}
	return fmt.Errorf("%q is none of debug, info, warn, error", name)
}
