package tokens_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, dir string) *tokens.Store {
	t.Helper()
	s, err := tokens.Open(dir, "", quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s *tokens.Store, k tokens.Token) string {
	t.Helper()
	_, text, err := s.Create(k, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	s := open(t, dir)
	if s.Ever() || len(s.List()) != 0 {
		t.Error("a new store knows tokens")
	}
	now := time.Now()
	ci := create(t, s, tokens.Token{Name: "ci", Scopes: []tokens.Scope{tokens.TenantDeploy, tokens.TenantInvoke}, Tenant: "acme", Expires: now.Add(time.Hour), Rate: 5})
	if !regexp.MustCompile("^" + tokens.Pattern + "$").MatchString(ci) {
		t.Errorf("token %s", ci)
	}
	found, err := s.Find(ci, now)
	if err != nil || found.Name != "ci" || found.Tenant != "acme" || found.Rate != 5 || !found.Has(tokens.TenantInvoke) || found.Has(tokens.Admin) {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := s.Find(ci, now.Add(time.Hour)); !errors.Is(err, tokens.ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := s.Find(tokens.Generate(), now); !errors.Is(err, tokens.ErrUnknown) {
		t.Errorf("another's: %v", err)
	}
	if list := s.List(); len(list) != 1 || list[0].Used.Unix() != now.Unix() {
		t.Errorf("listed %+v", list)
	}
	if _, _, err := s.Create(tokens.Token{Name: "ci", Scopes: []tokens.Scope{tokens.Admin}}, now); !errors.Is(err, tokens.ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	admin := create(t, s, tokens.Token{Name: "boss", Scopes: []tokens.Scope{tokens.Admin}})
	if err := s.Revoke("boss"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(admin, now); !errors.Is(err, tokens.ErrUnknown) {
		t.Errorf("revoked: %v", err)
	}
	if err := s.Revoke("boss"); !errors.Is(err, tokens.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	s.Close()

	// What is kept says when it was used, and does not hold the secret.
	text, err := os.ReadFile(filepath.Join(dir, "tokens.json"))
	if err != nil || strings.Contains(string(text), ci[20:40]) {
		t.Errorf("%v: %s", err, text)
	}
	s = open(t, dir)
	defer s.Close()
	if found, err := s.Find(ci, now); err != nil || found.Name != "ci" {
		t.Errorf("opened again: %+v, %v", found, err)
	}
	if list := s.List(); len(list) != 1 || list[0].Used.Unix() != now.Unix() {
		t.Errorf("listed %+v", list)
	}
	if err := s.RevokeTenant("acme"); err != nil || len(s.List()) != 0 || !s.Ever() {
		t.Errorf("%v: %+v, ever %v", err, s.List(), s.Ever())
	}
}

func TestCreateRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	good := func() tokens.Token {
		return tokens.Token{Name: "n", Scopes: []tokens.Scope{tokens.TenantInvoke}, Tenant: "acme"}
	}
	for field, change := range map[string]func(*tokens.Token){
		"name":         func(k *tokens.Token) { k.Name = "-x" },
		"scopes":       func(k *tokens.Token) { k.Scopes = nil },
		"scopes ":      func(k *tokens.Token) { k.Scopes = []tokens.Scope{"root"} },
		"scopes  ":     func(k *tokens.Token) { k.Scopes = []tokens.Scope{tokens.TenantInvoke, tokens.TenantInvoke} },
		"scopes   ":    func(k *tokens.Token) { k.Scopes = []tokens.Scope{tokens.Admin, tokens.TenantInvoke} },
		"tenant":       func(k *tokens.Token) { k.Tenant = "" },
		"tenant ":      func(k *tokens.Token) { k.Scopes = []tokens.Scope{tokens.Admin} },
		"expires":      func(k *tokens.Token) { k.Expires = time.Now().Add(-time.Second) },
		"rate":         func(k *tokens.Token) { k.Rate = -1 },
		"rate ":        func(k *tokens.Token) { k.Scopes, k.Rate = []tokens.Scope{tokens.TenantDeploy}, 1 },
		"burst":        func(k *tokens.Token) { k.Burst = 1 },
		"max_inflight": func(k *tokens.Token) { k.MaxInflight = -1 },
	} {
		k := good()
		change(&k)
		_, _, err := s.Create(k, time.Now())
		var wrong *tokens.FieldError
		if !errors.As(err, &wrong) || wrong.Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if s.Ever() {
		t.Error("what was refused has closed the door")
	}
}

func TestConfiguredToken(t *testing.T) {
	dir, text := t.TempDir(), tokens.Generate()
	s, err := tokens.Open(dir, text, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := s.Find(text, time.Now()); err != nil || !k.Has(tokens.Admin) || !s.Ever() {
		t.Errorf("%+v, %v", k, err)
	}
	if err := s.Revoke("configured"); !errors.Is(err, tokens.ErrInvalid) {
		t.Errorf("revoked: %v", err)
	}
	s.Close()
	if s := open(t, dir); s.Ever() {
		t.Error("it was kept")
	}
	if _, err := tokens.Open(dir, "hunter2", quiet); !errors.Is(err, tokens.ErrMalformed) {
		t.Errorf("%v", err)
	}
}

func TestDamagedFile(t *testing.T) {
	for _, text := range []string{"{", `{"tokens":[{"name":"x","id":"short"}]}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tokens.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Open(dir, "", quiet); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A token that was told is there after a kill -9, whenever that comes, and the
// file is never half written.
func TestKilledWhileCreating(t *testing.T) {
	if dir := os.Getenv("BULKHEAD_TOKENS_DIR"); dir != "" {
		s := open(t, dir)
		for i := 0; ; i++ {
			text := create(t, s, tokens.Token{Name: "n" + strings.Repeat("x", i%40) + time.Now().Format("150405000000000"), Scopes: []tokens.Scope{tokens.Admin}})
			os.Stdout.WriteString("created " + text + "\n")
			if i >= 40 {
				return
			}
		}
	}
	for round := range 3 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileCreating$")
		cmd.Env = append(os.Environ(), "BULKHEAD_TOKENS_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var told strings.Builder
		buf := make([]byte, 100)
		for strings.Count(told.String(), "\n") < 3+2*round {
			n, err := out.Read(buf)
			if told.Write(buf[:n]); err != nil {
				t.Fatalf("%v: %s", err, told.String())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := out.Read(buf)
			if told.Write(buf[:n]); err != nil {
				break
			}
		}
		_ = cmd.Wait() // it was killed
		s := open(t, dir)
		lines := strings.Split(told.String(), "\n")
		for _, line := range lines[:len(lines)-1] { // the last may be cut off
			if text, ok := strings.CutPrefix(line, "created "); ok {
				if _, err := s.Find(text, time.Now()); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
		}
		s.Close()
	}
}

func FuzzFind(f *testing.F) {
	s, err := tokens.Open(f.TempDir(), "", quiet)
	if err != nil {
		f.Fatal(err)
	}
	_, known, err := s.Create(tokens.Token{Name: "n", Scopes: []tokens.Scope{tokens.Admin}}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", known, known[:len(known)-1], known + "0", "bhk_", strings.ToUpper(known), tokens.Generate(), strings.Replace(known, "_", "\x00", 1)} {
		f.Add(text)
	}
	form := regexp.MustCompile("^" + tokens.Pattern + "$")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := s.Find(text, time.Now())
		switch {
		case (err == nil) != (text == known):
			t.Errorf("%q: %+v, %v", text, k, err)
		case errors.Is(err, tokens.ErrUnknown) && !form.MatchString(text):
			t.Errorf("%q passed for a token", text)
		}
	})
}
