package child_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/child"
)

// roleKey names the part that this binary plays as a child.
const roleKey = "BULKHEAD_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleKey); role != "" {
		play(role)
		return
	}
	os.Exit(m.Run())
}

// surroundings are what a child finds.
type surroundings struct {
	Args, Env    []string
	Dir          string
	PID, Session int
}

func init() {
	runtime.LockOSThread() // the first goroutine has the first thread, also in a child
}

// haveTraced makes this thread one that its parent traces.
func haveTraced() {
	if _, _, err := syscall.RawSyscall(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME, 0, 0); err != 0 {
		panic(err)
	}
}

func play(role string) {
	switch role {
	case "surroundings":
		s := surroundings{Args: os.Args, Env: os.Environ(), PID: os.Getpid()}
		s.Dir, _ = os.Getwd()
		session, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
		s.Session = int(session)
		_ = json.NewEncoder(os.Stdout).Encode(s)
	case "file":
		_, _ = os.NewFile(3, "given").WriteString("written by the child")
	case "wait":
		fmt.Println("waiting")
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(3)
	case "hang":
		fmt.Println("hanging")
		time.Sleep(time.Hour)
	case "flood":
		for range 4000 {
			fmt.Fprintf(os.Stderr, "%s\x1b[31m\xff\x00\n", strings.Repeat("x", 90))
		}
		fmt.Fprint(os.Stderr, "the end")
	case "lines":
		fmt.Fprintf(os.Stderr, "first\r\n\n%s\n  \x07second\u2028\nlast", strings.Repeat("y", 3000))
	case "grandchild":
		// It holds every pipe open, and lets go of its parent.
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{roleKey + "=orphan"}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println(cmd.Process.Pid)
		fmt.Fprint(os.Stderr, "gone")
	case "traced-thread", "traced-thread-held":
		traced := make(chan struct{})
		go func() {
			runtime.LockOSThread() // not the first one, which this process's end is told of
			haveTraced()
			close(traced)
			select {}
		}()
		<-traced
		if role == "traced-thread" {
			os.Exit(4)
		}
		play("grandchild")
		play("orphan")
	case "traced-stops":
		haveTraced()
		fmt.Println("stops")
		_ = unix.Tgkill(os.Getpid(), os.Getpid(), syscall.SIGSTOP)
	case "orphan":
		time.Sleep(time.Hour)
	case "victim":
		// A parent that is killed: its child says when it runs.
		p := child.NewStarter().New(child.Options{Path: "/proc/self/exe", Name: "victim's", Stdout: true})
		if err := p.Start([]string{roleKey + "=hang"}); err != nil {
			panic(err)
		}
		line, _ := bufio.NewReader(p.Stdout()).ReadString('\n')
		fmt.Print(p.PID(), " ", line)
		time.Sleep(time.Hour)
	}
}

// fixture is a starter whose processes play a role.
type fixture struct{ *child.Starter }

// open checks at the test's end that nothing is left.
func open(t *testing.T) fixture {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	s := child.NewStarter()
	t.Cleanup(func() {
		s.Close()
		eventually(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, "descriptors are back", func() bool { return openFiles(t) <= files })
	})
	return fixture{s}
}

func (f fixture) start(t *testing.T, role string, o child.Options) *child.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Path, o.Name = self, "child"
	p := f.New(o)
	if err := p.Start([]string{roleKey + "=" + role}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Exited() })
	return p
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// firstLine waits until the process says something.
func firstLine(t *testing.T, p *child.Process) string {
	t.Helper()
	line, err := bufio.NewReader(p.Stdout()).ReadString('\n')
	if err != nil {
		t.Fatalf("%v; %s", err, p.Obituary())
	}
	return strings.TrimSpace(line)
}

// running reports whether a process is there, and is not dead.
func running(pid string) bool {
	status, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(status), ") Z ")
}

func TestSurroundings(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "hunter2")
	f, dir := open(t), t.TempDir()
	p := f.start(t, "surroundings", child.Options{Dir: dir, Stdout: true})
	var got surroundings
	if err := json.Unmarshal([]byte(firstLine(t, p)), &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Args, []string{"child"}) || got.Dir != dir || got.PID != p.PID() {
		t.Errorf("got %+v", got)
	}
	if got.Session != got.PID {
		t.Errorf("process %d is in session %d", got.PID, got.Session)
	}
	if !slices.Equal(got.Env, []string{roleKey + "=surroundings"}) {
		t.Errorf("its environment is %q", got.Env)
	}
	<-p.Exited()
	if p.How() != "exit status 0" {
		t.Errorf("it ended so: %s", p.How())
	}
}

// No environment is none at all, not the parent's.
func TestNoEnvironment(t *testing.T) {
	t.Setenv(roleKey+"_SECRET", "hunter2")
	for _, env := range [][]string{nil, {}} {
		p := open(t).New(child.Options{Path: "/usr/bin/env", Name: "env", Stdout: true})
		if err := p.Start(env); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, _ = out.ReadFrom(p.Stdout())
		<-p.Exited()
		if out.Len() > 0 || p.How() != "exit status 0" {
			t.Errorf("%s, with %q", p.Obituary(), out.String())
		}
	}
}

func TestNoOtherDescriptors(t *testing.T) {
	// Whoever started us may have left us descriptors that are inherited.
	inherited, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	f := open(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "ours"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	beside := f.start(t, "hang", child.Options{Stdout: true})
	for _, given := range [][]*os.File{nil, {file}, {file, file}} {
		// cat has no descriptors of its own once it waits for its input.
		p := f.New(child.Options{Path: "/bin/cat", Name: "cat", Stdout: true, Files: given})
		if err := p.Start(nil); err != nil {
			t.Fatal(err)
		}
		var has []string
		eventually(t, fmt.Sprintf("cat has %d descriptors more than the standard ones", len(given)), func() bool {
			links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
			has = has[:0]
			for _, link := range links {
				name, _ := os.Readlink(link)
				kind, _, _ := strings.Cut(name, ":")
				has = append(has, kind)
			}
			want := []string{"pipe", "pipe", "pipe"}
			for range given {
				want = append(want, file.Name())
			}
			return slices.Equal(has, want)
		})
		p.Cut()
		<-p.Exited()
	}
	beside.Kill()
}

func TestFilesAreHandedDown(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := open(t).start(t, "file", child.Options{Files: []*os.File{file}})
	<-p.Exited()
	if text, err := os.ReadFile(file.Name()); string(text) != "written by the child" {
		t.Errorf("got %q, %v; %s", text, err, p.Obituary())
	}
	if _, err := file.WriteString("!"); err != nil {
		t.Errorf("our own is closed: %v", err)
	}
}

func TestCut(t *testing.T) {
	p := open(t).start(t, "wait", child.Options{Stdout: true})
	if firstLine(t, p); p.How() != "running" {
		t.Errorf("it is %s", p.How())
	}
	p.Cut()
	<-p.Exited()
	if p.Cut(); p.How() != "exit status 3" {
		t.Errorf("it ended so: %s", p.How())
	}
}

func TestKill(t *testing.T) {
	p := open(t).start(t, "hang", child.Options{})
	var killers sync.WaitGroup
	for range 8 {
		killers.Go(p.Kill)
	}
	killers.Wait()
	<-p.Exited()
	p.Kill()
	if p.How() != "signal: killed" || p.Obituary() != p.How() {
		t.Errorf("it ended so: %s", p.Obituary())
	}
}

// When memory runs out a child goes before its parent.
func TestChildIsALikelierVictim(t *testing.T) {
	p := open(t).start(t, "hang", child.Options{})
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.PID()))
	p.Kill()
	<-p.Exited()
	if own, _ := os.ReadFile("/proc/self/oom_score_adj"); len(own) >= 4 && own[0] != '-' {
		t.Skipf("this process is a likely victim itself: %s", own)
	}
	if err != nil || string(text) != "500\n" {
		t.Errorf("oom_score_adj is %q %v", text, err)
	}
}

// A child that yields stands behind with its session.
func TestYield(t *testing.T) {
	p := open(t).start(t, "hang", child.Options{Stdout: true})
	firstLine(t, p)
	session := fmt.Sprintf("/proc/%d/autogroup", p.PID())
	if _, err := os.Stat(session); err != nil {
		t.Skip("the kernel does not share between sessions")
	}
	for _, yield := range []bool{true, false, true} {
		want := " nice 0\n"
		if yield {
			want = " nice 19\n"
		}
		eventually(t, fmt.Sprintf("its session has the level%s", want), func() bool { // whoever is not root has to wait for it
			p.Yield(yield)
			text, err := os.ReadFile(session)
			return err == nil && strings.HasSuffix(string(text), want)
		})
	}
	p.Kill()
	<-p.Exited()
	p.Yield(false)
}

func TestKillBeforeStart(t *testing.T) {
	f := open(t)
	p := f.New(child.Options{Path: "/proc/self/exe", Name: "child"})
	p.Kill()
	p.Cut()
	if p.PID() != 0 || p.How() != "not started" {
		t.Errorf("its id is %d, and it is %s", p.PID(), p.How())
	}
	if err := p.Start([]string{roleKey + "=hang"}); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if p.How() != "signal: killed" {
		t.Errorf("it ended so: %s", p.How())
	}
}

func TestStartFails(t *testing.T) {
	f := open(t)
	for range 3 {
		if err := f.New(child.Options{Path: "/nowhere", Stdout: true}).Start(nil); !os.IsNotExist(err) {
			t.Errorf("got %v", err)
		}
	}
	if p := f.start(t, "hang", child.Options{}); p.PID() == 0 {
		t.Error("the starter is spoilt")
	} else {
		p.Kill()
		<-p.Exited()
	}
	f.Close()
	if err := f.New(child.Options{Path: "/proc/self/exe"}).Start(nil); err == nil {
		t.Error("a closed starter starts")
	}
}

// What the kernel refuses is done without, and told.
func TestApartIsRefused(t *testing.T) {
	f := open(t)
	impossible := func(attr *syscall.SysProcAttr) { attr.Cloneflags |= syscall.CLONE_NEWNS | syscall.CLONE_FS }
	p := f.start(t, "wait", child.Options{Stdout: true, Apart: impossible})
	if firstLine(t, p); !errors.Is(p.NotApart(), syscall.EINVAL) {
		t.Errorf("got %v", p.NotApart())
	}
	p = f.start(t, "wait", child.Options{Stdout: true, Apart: func(*syscall.SysProcAttr) {}})
	if firstLine(t, p); p.NotApart() != nil {
		t.Errorf("got %v", p.NotApart())
	}
	// An error that has nothing to do with it stays what it is.
	if err := f.New(child.Options{Path: "/nowhere", Apart: impossible}).Start(nil); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

// Go ends threads whose goroutine ended while it was locked to them. The kernel
// takes the end of the thread that started a process for its parent's end.
func TestThreadsComeAndGo(t *testing.T) {
	f := open(t)
	var list []*child.Process
	for range 20 {
		started := make(chan *child.Process)
		go func() {
			runtime.LockOSThread() // so that this thread ends
			p := f.New(child.Options{Path: "/proc/self/exe", Name: "child", Stdout: true})
			if err := p.Start([]string{roleKey + "=wait"}); err != nil {
				t.Error(err)
				p = nil
			}
			started <- p
		}()
		if p := <-started; p != nil {
			firstLine(t, p)
			list = append(list, p)
		}
	}
	for _, p := range list {
		p.Cut()
		<-p.Exited()
		if p.How() != "exit status 3" {
			t.Errorf("one ended so: %s", p.How())
		}
	}
}

func TestParentIsKilled(t *testing.T) {
	p := open(t).start(t, "victim", child.Options{Stdout: true})
	pid, word, _ := strings.Cut(firstLine(t, p), " ")
	if word != "hanging" || !running(pid) {
		t.Fatalf("process %s says %q", pid, word)
	}
	p.Kill()
	<-p.Exited()
	eventually(t, "the kernel has killed its child", func() bool { return !running(pid) })
}

// number is a process's id as the number that it is.
func number(t *testing.T, pid string) (id int) {
	t.Helper()
	if _, err := fmt.Sscan(pid, &id); err != nil || id <= 1 {
		t.Fatal(pid)
	}
	return id
}

func TestGrandchildHoldsThePipes(t *testing.T) {
	p := open(t).start(t, "grandchild", child.Options{Stdout: true})
	pid := firstLine(t, p)
	<-p.Exited()
	if !running(pid) {
		t.Error("the grandchild does not run: the test shows nothing")
	}
	if p.Obituary() != "exit status 0; it said: gone" {
		t.Errorf("it ended so: %s", p.Obituary())
	}
	id := number(t, pid)
	if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// A thread that its parent traces stays when it ends, and with it the process,
// until the parent waits for it.
func TestTracedThread(t *testing.T) {
	p := open(t).start(t, "traced-thread", child.Options{})
	<-p.Exited()
	if p.How() != "exit status 4" {
		t.Errorf("it ended so: %s", p.Obituary())
	}
}

func TestTracedThreadIsKilled(t *testing.T) {
	p := open(t).start(t, "traced-thread-held", child.Options{Stdout: true})
	pid := firstLine(t, p)
	id := number(t, pid)
	defer syscall.Kill(id, syscall.SIGKILL)
	p.Kill()
	<-p.Exited()
	if p.How() != "signal: killed" || !running(pid) {
		t.Errorf("it ended so: %s; the one that holds its pipes runs: %v", p.Obituary(), running(pid))
	}
}

// That a process stops which its parent traces is no end of it.
func TestTracedProcessStops(t *testing.T) {
	p := open(t).start(t, "traced-stops", child.Options{Stdout: true})
	firstLine(t, p)
	<-p.Exited()
	if p.How() != "signal: killed" || p.KilledByOthers() || running(fmt.Sprint(p.PID())) {
		t.Errorf("it ended so: %s, by others: %v", p.Obituary(), p.KilledByOthers())
	}
}

func TestTail(t *testing.T) {
	p := open(t).start(t, "flood", child.Options{})
	<-p.Exited()
	tail := p.Tail()
	if len(tail) < 4<<10 || len(tail) > 8<<10 || !strings.HasSuffix(tail, "x?[31m?? the end") {
		t.Errorf("%d bytes: …%q", len(tail), tail[max(0, len(tail)-40):])
	}
	if i := strings.IndexFunc(tail, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("%q is not printable", tail[i:])
	}
}

func TestLines(t *testing.T) {
	var lines []string
	p := open(t).start(t, "lines", child.Options{Line: func(s string) { lines = append(lines, s) }})
	<-p.Exited()
	want := []string{"first?", strings.Repeat("y", 1<<10), "?second?", "last"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %.50q", lines)
	}
	if tail := p.Tail(); !strings.HasPrefix(tail, "first?") || !strings.HasSuffix(tail, "last") {
		t.Errorf("the tail is %q", tail)
	}
}
