package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestProgressIsForTerminals(t *testing.T) {
	var errs bytes.Buffer
	p := &progress{t: &terminal{err: &errs, out: &errs}}
	a := p.begin("acme/a")
	a.say("bundling")
	p.draw()
	a.sent(1<<20, 4<<20)
	p.erase()
	p.draw()
	p.print([]byte("deployed\n"), nil)
	a.sent(4<<20, 4<<20)
	p.draw()
	a.end()
	p.erase()
	p.draw()
	want := "  acme/a  bundling\n\x1b[1A\x1b[J  acme/a  uploading  [=====               ]  25 % of 4 MiB\n\x1b[1A\x1b[Jdeployed\n  acme/a  checking\n\x1b[1A\x1b[J"
	if errs.String() != want {
		t.Errorf("%q, want %q", errs.String(), want)
	}
	// A line wider than the terminal would not be taken away whole.
	if wide := p.begin(strings.Repeat("a", 300)); len(cut(wide.line(), 79)) != 79 {
		t.Errorf("%q", wide.line())
	}
}
