package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"help": "supervisor help topics", "help topics": "policies              Policies\n", "help policies": "# Policies\n", "help limits": "# Limits",
		"help tokens": "tenant-invoke", "help exit-codes": "| 5 | ", "help configuration": "listen:", "help environment": "BULKHEAD_SERVER",
		"help replay": "USAGE:\n   supervisor replay", "help alias set": "supervisor alias set", "help help": "TOPIC", "help --json exit-codes": `"topic": "exit-codes"`,
	} {
		if c := supervise(t, "", strings.Fields(args)...); c.exit != 0 || !strings.Contains(c.stdout, want) || c.stderr != "" {
			t.Errorf("%q: exit %d, no %q\n%.1000s%s", args, c.exit, want, c.stdout, c.stderr)
		}
	}
	for _, p := range topics() {
		if text := p.text(); len(strings.TrimSpace(text)) < 100 {
			t.Errorf("%s: %q", p.name, text)
		}
	}
	if got := onTerminal(t, nil, []string{"PAGER=sed s/^/paged:/"}, "help", "exit-codes"); !strings.Contains(got, "paged:") {
		t.Errorf("it was not paged: %q", got)
	}
	if got := onTerminal(t, nil, []string{"PAGER=/nowhere/pager"}, "help", "exit-codes"); !strings.Contains(got, "| 5 | ") {
		t.Errorf("without a pager: %q", got)
	}
}

func TestManual(t *testing.T) {
	c := supervise(t, "", "help", "--man")
	for _, want := range []string{".TH SUPERVISOR 1 ", ".SH \"NAME\"\n", ".SS \"supervisor invoke TENANT/FUNCTION\"", "\\fB\\-\\-watch\\fR", ".SH \"EXIT STATUS\"\n", "\\fBBULKHEAD_SERVER\\fR"} {
		if !strings.Contains(c.stdout, want) {
			t.Errorf("no %q", want)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff to read it")
	}
	cmd := exec.Command(groff, "-man", "-ww", "-Tascii", "-P-c")
	cmd.Stdin = strings.NewReader(c.stdout)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 || !strings.Contains(string(out), "--watch") {
		t.Errorf("%v %s", err, errs.String())
	}
}
