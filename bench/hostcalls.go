package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hostCalling times host calls where they are made. The clock there is coarse,
// so it is read once for many calls.
const hostCalling = `
const calls = {
  kv: () => kv.get('greeting'),
  db: () => db.query('SELECT text FROM greetings WHERE id = ?', [1]),
};
export default async ({ call, rounds, each }) => {
  await kv.put('greeting', { text: 'hello' });
  await db.exec('CREATE TABLE IF NOT EXISTS greetings (id INTEGER PRIMARY KEY, text TEXT)');
  await db.exec("INSERT OR REPLACE INTO greetings VALUES (1, 'hello')");
  const took = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let n = 0; n < each; n++) await calls[call]();
    took.push((performance.now() - start) / each * 1000);
  }
  return took;
}`

const (
	callers       = 8 // instances that make host calls at once
	callRounds    = 30
	callsPerRound = 100
)

// hostCalls measures the round trip of host calls, one after the other and from
// many instances at once.
func hostCalls(b *bench) error {
	s, err := b.serve("data-calls", 0)
	if err != nil {
		return err
	}
	return errors.Join(b.calls(s), s.stop())
}

func (b *bench) calls(s *server) error {
	if _, _, err := s.do("PUT", "/v1/tenants/calls", "application/json", `{"policy":"data"}`); err != nil {
		return err
	}
	if _, _, err := s.do("PUT", fmt.Sprintf("/v1/tenants/calls/functions/f?timeout=30s&concurrency=%d", callers), "text/javascript", hostCalling); err != nil {
		return err
	}
	var keys, rates, rows []float64
	for n := range b.runs + 1 {
		key, err := s.callHost("kv")
		if err != nil {
			return err
		}
		rate, err := s.callHostAtOnce("kv")
		if err != nil {
			return err
		}
		row, err := s.callHost("db")
		if err != nil {
			return err
		}
		if n > 0 { // the first one opens what the others use
			keys, rates, rows = append(keys, median(key)), append(rates, rate), append(rows, median(row))
		}
	}
	key, rate, row := median(keys), median(rates), median(rows)
	b.add("host call round trip, kv.get from memory, p50", "≤ 150 µs", key <= 150, "%.0f µs", key)
	b.add(fmt.Sprintf("  from %d instances at once", callers), "≥ 20000/s", rate >= 20000, "%.0f/s", rate)
	b.add("  db.query of one row, SQLite, p50", "≤ 250 µs", row <= 250, "%.0f µs", row)
	return nil
}

// callHost returns what a call took, on average of each round, in microseconds.
func (s *server) callHost(call string) ([]float64, error) {
	event := fmt.Sprintf(`{"call":%q,"rounds":%d,"each":%d}`, call, callRounds, callsPerRound)
	answer, err := http.Post("http://"+s.addr+"/v1/tenants/calls/functions/f/invoke", "application/json", strings.NewReader(event))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	var took []float64
	if err := json.Unmarshal(text, &took); err != nil || len(took) != callRounds {
		return nil, fmt.Errorf("the function answered %s", text)
	}
	return took, nil
}

// callHostAtOnce returns how many calls a second all instances make.
func (s *server) callHostAtOnce(call string) (float64, error) {
	var all sync.WaitGroup
	errs := make([]error, callers)
	start := time.Now()
	for n := range callers {
		all.Go(func() { _, errs[n] = s.callHost(call) })
	}
	all.Wait()
	return callers * callRounds * callsPerRound / time.Since(start).Seconds(), errors.Join(errs...)
}
