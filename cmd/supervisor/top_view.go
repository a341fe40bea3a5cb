package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/client"
)

// topView is what top shows.
type topView struct {
	server, sort string
	stats        client.Stats
	err          error // why there are no newer ones
}

// topColumn is a column of the table. The first is as wide as the others leave
// room for.
type topColumn struct {
	title string
	sort  string // as the server calls it
	key   byte
	width int
	cell  func(a *client.Activity) string
}

var topColumns = []topColumn{
	{"TENANT", "tenant", 't', 0, func(a *client.Activity) string { return quoteUnprintable(a.Tenant) }},
	{"CALLS/S", "rate", 'r', 9, func(a *client.Activity) string { return rate(a.Rate) }},
	{"ERR/S", "errors", 'e', 7, func(a *client.Activity) string { return rate(a.ErrorRate) }},
	{"P50", "", 0, 8, func(a *client.Activity) string { return shortTime(a.P50) }},
	{"P99", "p99", 'l', 8, func(a *client.Activity) string { return shortTime(a.P99) }},
	{"MEMORY", "memory", 'm', 7, func(a *client.Activity) string { return shortSize(a.Resident) }},
	{"CPU", "cpu", 'c', 6, func(a *client.Activity) string { return fmt.Sprintf("%.0f%%", 100*a.Load) }},
	{"COLD", "cold", 'o', 7, func(a *client.Activity) string { return fmt.Sprint(a.Cold) }},
	{"KILLS", "kills", 'k', 6, func(a *client.Activity) string { return fmt.Sprint(a.Kills) }},
}

const (
	topHeader   = 3 // the line of the titles
	leastTenant = 8 // columns of a tenant's name
)

// screen returns at most height lines of at most width characters.
func (v *topView) screen(width, height int) []string {
	lines := append([]string{v.summary(), v.processes(), v.problem()}, v.table(width)...)
	if len(lines) > height-1 {
		lines = lines[:max(height-1, 0)]
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, "sort: (r)ate (e)rrors (l)atency (m)emory (c)pu c(o)ld (k)ills (t)enant  (q)uit")
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	lines[topHeaderAt(len(lines))] = pad(lines[topHeaderAt(len(lines))], width)
	lines[len(lines)-1] = pad(lines[len(lines)-1], width)
	return lines
}

func topHeaderAt(lines int) int { return min(topHeader, lines-1) }

func (v *topView) summary() string {
	all := &v.stats.All
	return fmt.Sprintf("%s  %s calls/s  %s errors/s  p50 %s  p99 %s  %s", v.stats.Time.Local().Format(time.TimeOnly),
		rate(all.Rate), rate(all.ErrorRate), shortTime(all.P50), shortTime(all.P99), quoteUnprintable(v.server))
}

func (v *topView) processes() string {
	s := &v.stats.Sandboxes
	return fmt.Sprintf("sandboxes %d of %d: %d spare, %d assigned, %d idle  waiting %d  memory %s  CPU %.0f%%",
		s.Processes, s.Max, s.Spare, s.Assigned, s.Idle, v.stats.Waiting, shortSize(v.stats.All.Resident), 100*v.stats.All.Load)
}

func (v *topView) problem() string {
	if v.err == nil {
		return ""
	}
	text := clean(true, describe(v.err).Detail)
	return "these numbers are old: " + strings.ReplaceAll(text, "\n", " ")
}

// table returns the titles and a line for every tenant.
func (v *topView) table(width int) []string {
	first := width
	for _, col := range topColumns[1:] {
		first -= col.width
	}
	first = max(first, leastTenant)
	row := func(cell func(topColumn) string) string {
		line := pad(cut(cell(topColumns[0]), first), first)
		for _, col := range topColumns[1:] {
			line += fmt.Sprintf("%*s", col.width, cell(col))
		}
		return line
	}
	lines := []string{row(func(col topColumn) string {
		if col.sort == v.sort {
			return "*" + col.title
		}
		return col.title
	})}
	for i := range v.stats.Tenants {
		lines = append(lines, row(func(col topColumn) string { return col.cell(&v.stats.Tenants[i]) }))
	}
	if v.stats.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", v.stats.More))
	}
	return lines
}

func rate(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// shortTime writes milliseconds in three digits or so; "-" for none.
func shortTime(ms float64) string {
	switch {
	case ms <= 0:
		return "-"
	case ms < 1:
		return fmt.Sprintf("%.0fus", 1000*ms)
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.1fs", ms/1000)
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width, 0)])
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
