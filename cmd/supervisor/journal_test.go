package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
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

// The real program finds out by itself that its standard error is the journal.
func TestStandardErrorIsTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := conn.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	defer stream.Close()
	journal, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	info, err := stream.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)

	for ours, want := range map[bool]string{true: "<6>level=INFO msg=", false: "time="} {
		u := newServiceUnit(t, "--data", t.TempDir())
		if ours {
			u.env = []string{"JOURNAL_STREAM=" + strconv.FormatUint(uint64(stat.Dev), 10) + ":" + strconv.FormatUint(stat.Ino, 10)}
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
