package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

func TestJournalLines(t *testing.T) {
	for name, below := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler {
			return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
		"json": func(w io.Writer) slog.Handler {
			return slog.NewJSONHandler(plainjson.NewWriter(w), &slog.HandlerOptions{Level: slog.LevelDebug})
		},
	} {
		var out bytes.Buffer
		log := slog.New(newJournalHandler(&out, below)).With("tenant", "acme")
		for level, want := range map[slog.Level]string{slog.LevelDebug: "<7>", slog.LevelInfo: "<6>", slog.LevelWarn: "<4>", slog.LevelError: "<3>", slog.LevelError + 4: "<3>"} {
			out.Reset()
			log.Log(t.Context(), level, "ended")
			line := out.String()
			if !strings.HasPrefix(line, want) || strings.Contains(line, "time") || !strings.Contains(line, "acme") {
				t.Errorf("%s, %v: %q", name, level, line)
			}
		}
		// What a tenant has a say in can neither begin a line nor end one.
		for _, forged := range []string{"\n<0>kernel panic", "\r\n<0>x", "a\u2028<0>b", "\x00\x1b[2J<1>", "\u0085<0>x"} {
			out.Reset()
			log.WithGroup("g").Info(forged, "error", forged, forged, "value")
			line, found := strings.CutSuffix(out.String(), "\n")
			if !found || !strings.HasPrefix(line, "<6>") || strings.ContainsAny(line, "\n\r\x00\x1b\u0085\u2028") {
				t.Errorf("%s, %q: %q", name, forged, line)
			}
		}
	}
}

// journalStream is a socket like the journal's: the end that a service writes to,
// the journal's, and what its environment says of it.
func journalStream(t *testing.T) (stream *os.File, journal net.Conn, env string) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	stream, err = conn.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	t.Cleanup(func() { stream.Close() })
	if journal, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	info, err := stream.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stream, journal, "JOURNAL_STREAM=" + strconv.FormatUint(uint64(stat.Dev), 10) + ":" + strconv.FormatUint(stat.Ino, 10)
}

// What keeps serve from starting is an error in the journal, too, every line of it.
func TestFailureIsAnErrorInTheJournal(t *testing.T) {
	stream, journal, env := journalStream(t)
	cmd, _ := start(t, "", "serve", "--data", "/proc/self/status")
	cmd.Env, cmd.Stderr = append(cmd.Env, env), stream
	if err := cmd.Run(); err == nil {
		t.Error("it ended well")
	}
	stream.Close()
	text, err := io.ReadAll(journal)
	if err != nil || !strings.HasPrefix(string(text), "<3>error: ") || !strings.Contains(string(text), "\n<3>  -> ") {
		t.Errorf("%q, %v", text, err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "<3>") {
			t.Errorf("%q", line)
		}
	}
}

// The real program finds out by itself that its standard error is the journal.
func TestStandardErrorIsTheJournal(t *testing.T) {
	stream, journal, env := journalStream(t)
	for ours, want := range map[bool]string{true: "<6>level=INFO msg=", false: "time="} {
		u := newServiceUnit(t, "--data", t.TempDir())
		if ours {
			u.env = []string{env}
		} else {
			u.env = []string{"JOURNAL_STREAM=1:1"} // another's: of who started us
		}
		u.stderr = stream
		d := u.start()
		u.await("READY=1", 0)
		read := make(chan string, 1)
		go func() {
			buf := make([]byte, 4096)
			n, _ := journal.Read(buf)
			for !strings.Contains(string(buf[:n]), "draining") && n < len(buf) {
				more, err := journal.Read(buf[n:])
				if n += more; err != nil {
					break
				}
			}
			read <- string(buf[:n])
		}()
		if exit := d.end(); exit != 0 {
			t.Errorf("exit %d", exit)
		}
		lines := <-read
		for line := range strings.Lines(lines) {
			// This machine may lack a layer, of which there is a warning.
			if !strings.HasPrefix(line, want) && !(ours && strings.HasPrefix(line, "<4>level=WARN msg=\"a layer of ")) {
				t.Errorf("%v: %q", ours, line)
			}
		}
		if !strings.Contains(lines, "draining") {
			t.Errorf("%v: %q", ours, lines)
		}
	}
}
