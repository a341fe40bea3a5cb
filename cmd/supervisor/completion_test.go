package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// completeIn asks a program's completion what the last of words may become.
func completeIn(t *testing.T, d *daemon, words ...string) (list []string) {
	t.Helper()
	if d != nil {
		words = append([]string{"--server", d.url}, words...)
	}
	c := supervise(t, "", append([]string{completing}, words...)...)
	if c.exit != 0 || c.stderr != "" {
		t.Errorf("%q: %+v", words, c)
	}
	for line := range strings.Lines(c.stdout) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, word)
	}
	return list
}

// completedDaemon is a supervisor with something to complete.
func completedDaemon(t *testing.T) *daemon {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	d.ok("tenant", "put", "shop")
	d.ok("deploy", "acme/greet", write(t, "a.js", "() => 'from ' + 'staging'"))
	d.ok("deploy", "acme/resize", write(t, "a.js", "() => 2"))
	d.ok("alias", "set", "acme/greet", "staging", "live")
	return d
}

func TestCompletion(t *testing.T) {
	d := completedDaemon(t)
	version := strings.Fields(d.ok("deploy", "acme/greet", write(t, "a.js", "() => 'from ' + 'staging'")))[3]
	for line, want := range map[string]string{
		"ten":                                "tenant",
		"tenant ":                            "put list delete",
		"inv":                                "invoke",
		"invoke ":                            "acme/ shop/",
		"invoke acm":                         "acme/",
		"invoke acme/":                       "acme/greet acme/resize",
		"invoke acme/g":                      "acme/greet",
		"invoke acme/greet@":                 "acme/greet@live acme/greet@staging acme/greet@" + version,
		"invoke acme/greet@st":               "acme/greet@staging",
		"invoke nobody/":                     "",
		"invoke acme/greet extra":            "",
		"invoke acme/greet --version s":      "staging",
		"rollback acme/greet " + version[:6]: version,
		"alias delete acme/greet s":          "staging",
		"split set acme/greet live=90 st":    "staging=",
		"list ":                              "acme shop",
		"list --js":                          "--json",
		"logs --outcome dea":                 "deadline",
		"logs --outcome=dea":                 "--outcome=deadline",
		"deploy acme/greet x --policy comp":  "compute",
		"deploy --isolation ":                "fresh warm",
		"audit --tenant s":                   "shop",
		"help exit":                          "exit-codes",
		"completion ":                        "bash zsh fish",
		"run ":                               "",
		"run -- -":                           "",
		"nonsense ":                          "",
	} {
		got, wanted := completeIn(t, d, strings.Split(line, " ")...), strings.Fields(want)
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%q: %q, want %q", line, got, wanted)
		}
	}
	// With a tenant's token there is that tenant; without a supervisor nothing,
	// and at once.
	token := strings.TrimSpace(d.ok("token", "create", "ci", "--scope", "tenant-deploy", "--tenant", "shop"))
	t.Setenv("BULKHEAD_TOKEN", token)
	if got := completeIn(t, d, "invoke", ""); fmt.Sprint(got) != "[shop/]" {
		t.Errorf("%q", got)
	}
	t.Setenv("BULKHEAD_TOKEN", "nonsense")
	if got := completeIn(t, d, "invoke", ""); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if got := completeIn(t, nil, "--server", "http://127.0.0.1:1", "invoke", ""); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// The scripts, in the shells that there are.
func TestCompletionInShells(t *testing.T) {
	d := completedDaemon(t)
	for shell, part := range map[string]string{"bash": "complete -o", "zsh": "#compdef supervisor", "fish": "complete -c supervisor"} {
		if c := supervise(t, "", "completion", shell); c.exit != 0 || !strings.Contains(c.stdout, part) {
			t.Errorf("%s: %+v", shell, c)
		}
	}
	environment := append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"), "BULKHEAD_SERVER="+d.url, "HOME="+t.TempDir(), "TERM=dumb")
	in := func(shell, script string) string {
		t.Helper()
		path, err := exec.LookPath(shell)
		if err != nil {
			return "no " + shell
		}
		args := map[string][]string{"bash": {"--norc", "--noprofile"}, "fish": {"--no-config"}}[shell]
		cmd := exec.Command(path, append(args, "-c", script)...)
		cmd.Env = environment
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	// As bash does: words are cut at @ and = too, which the function undoes.
	for line, want := range map[string]string{
		"supervisor inv": "invoke", "supervisor invoke acm": "acme/", "supervisor invoke acme/res": "acme/resize",
		"supervisor invoke acme/greet|@st": "@staging",
		"supervisor logs --outcome|=|dea":  "deadline", "supervisor rollback acme/greet liv": "live", "supervisor run --ev": "--event",
	} {
		typed := strings.ReplaceAll(line, "|", "")
		words := strings.Fields(strings.ReplaceAll(line, "|", " "))
		script := fmt.Sprintf("source <(supervisor completion bash)\ncomplete -p supervisor >/dev/null || exit 1\nCOMP_LINE='%s' COMP_POINT=%d COMP_WORDS=(%s) COMP_CWORD=%d\ncompopt() { :; }\n_supervisor; printf '%%s\\n' \"${COMPREPLY[@]}\"",
			typed, len(typed), "'"+strings.Join(words, "' '")+"'", len(words)-1)
		if got := in("bash", script); got != want && got != "no bash" {
			t.Errorf("bash, %q: %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string]string{
		"supervisor inv": "invoke\tinvoke a function", "supervisor invoke acm": "acme/", "supervisor rollback acme/greet stag": "staging",
	} {
		if got := in("fish", "supervisor completion fish | source; complete -C '"+line+"'"); !strings.HasPrefix(got, want) && got != "no fish" {
			t.Errorf("fish, %q: %q, want %q", line, got, want)
		}
	}
}

// A person at bash presses the tabulator, and runs what comes of it.
func TestCompletionAtATerminal(t *testing.T) {
	for _, program := range []string{"bash", "script"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	d := completedDaemon(t)
	cmd := exec.Command("script", "-qec", "bash --norc --noprofile -i", "/dev/null")
	cmd.Env = append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"), "BULKHEAD_SERVER="+d.url, "TERM=vt100", "NO_COLOR=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() }) // it asks something
	t.Cleanup(func() {
		hung.Stop()
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	prompt := func() string {
		t.Helper()
		var said strings.Builder
		for buffer := make([]byte, 1); !strings.HasSuffix(said.String(), "READY> "); {
			if _, err := out.Read(buffer); err != nil {
				t.Fatalf("%v after %q", err, said.String())
			}
			said.Write(buffer)
		}
		return said.String()
	}
	// A shell on the way may have taken the prompt out of the environment.
	if _, err := io.WriteString(in, "PS1='READ''Y> '\n"); err != nil {
		t.Fatal(err)
	}
	prompt()
	for _, c := range [][2]string{
		{"source <(supervisor completion bash)\n", ""},
		{"supervisor inv\tacm\tgreet@st\t\n", `"from staging"`},
		{"supervisor logs --outcome=dead\t acm\tres\t\n", ""},
		{"supervisor rollback acme/greet liv\t\n", "is live"},
	} {
		if _, err := io.WriteString(in, c[0]); err != nil {
			t.Fatal(err)
		}
		if said := prompt(); !strings.Contains(said, c[1]) || strings.Contains(said, "error:") {
			t.Errorf("%q: %q, want %q", c[0], said, c[1])
		}
	}
}
