package secrets_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/platform/secrets"
)

const password = "correct-horse-battery-staple"

func keys(t testing.TB, lines ...string) *secrets.Keys {
	t.Helper()
	k, err := secrets.ParseKeys([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, dir string, k *secrets.Keys) *secrets.Secrets {
	t.Helper()
	s, err := secrets.New(secrets.Options{Dir: dir, Keys: k})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func set(t testing.TB, s *secrets.Secrets, tenant, name, value string, reveal bool, hosts ...string) {
	t.Helper()
	if err := s.Set(tenant, secrets.Info{Name: name, Hosts: hosts, Reveal: reveal}, secrets.NewSecret(value)); err != nil {
		t.Fatal(err)
	}
}

func caller(t testing.TB, s *secrets.Secrets, tenant string) *platformtest.Caller {
	return &platformtest.Caller{T: t, APIs: []platform.API{s.API()}, Tenant: tenant, Function: "f"}
}

// rewrite sends a header to a URL and returns it as it goes out.
func rewrite(t testing.TB, s *secrets.Secrets, tenant, to, name, text string) (string, error) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(name, text)
	err = s.Rewrite(t.Context(), tenant, "f", u, h)
	return h.Get(name), err
}

func denied(err error) bool {
	var known *platform.Error
	return errors.As(err, &known) && known.Name == "PermissionError"
}

func TestPlaceholder(t *testing.T) {
	s := open(t, t.TempDir(), keys(t, secrets.NewKey()))
	set(t, s, "acme", "API_KEY", password, false, "api.example.com", "*.example.org:8443", "http://localhost:8080", "https://[2001:db8::1]")
	set(t, s, "other", "API_KEY", "of the other", false, "api.example.com")
	p := caller(t, s, "acme").Must("secrets.get", "API_KEY").(string)
	if !strings.HasPrefix(p, "bh-secret-") || strings.Contains(p, password) {
		t.Fatalf("placeholder %s", p)
	}
	if other := caller(t, s, "other").Must("secrets.get", "API_KEY"); other == p {
		t.Error("two tenants have one placeholder")
	}
	for _, w := range []struct {
		url, header, text, want string // "" when it is refused
	}{
		{"https://api.example.com/x", "Authorization", "Bearer " + p, "Bearer " + password},
		{"https://API.example.com:443/x", "X-Key", p + "," + p, password + "," + password},
		{"https://a.b.example.org:8443", "X-Key", p, password},
		{"http://localhost:8080", "X-Key", p, password},
		{"https://[2001:db8::1]/", "X-Key", p, password},
		{"https://evil.example/", "X-Key", "nothing of ours", "nothing of ours"},
		{"https://evil.example/", "X-Key", "bh-secret-no placeholder", "bh-secret-no placeholder"},
		{"https://api.example.com/x", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+p)),
			"Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+password))},
		{"https://api.example.com/x", "Authorization", "Basic bm90aGluZw==", "Basic bm90aGluZw=="},

		{"https://evil.example/", "X-Key", p, ""},
		{"https://evil.example/", "Authorization", "basic " + base64.StdEncoding.EncodeToString([]byte("me:"+p)), ""},
		{"http://api.example.com/", "X-Key", p, ""},
		{"https://api.example.com:8443/", "X-Key", p, ""},
		{"https://sub.api.example.com/", "X-Key", p, ""},
		{"https://api.example.com.evil.example/", "X-Key", p, ""},
		{"https://evilexample.org:8443/", "X-Key", p, ""},
		{"https://example.org:8443/", "X-Key", p, ""},
		{"https://localhost:8080/", "X-Key", p, ""},
		{"https://api.example.com/?key=" + p, "X-Key", "", ""},
		{"https://api.example.com/" + p, "X-Key", "", ""},
		{"https://api.example.com/", "X-Key", "bh-secret-" + strings.Repeat("a", 32), ""},
	} {
		got, err := rewrite(t, s, "acme", w.url, w.header, w.text)
		switch {
		case w.want == "" && (!denied(err) || strings.Contains(got, password)):
			t.Errorf("%s %s: got %q, %v; want a PermissionError", w.url, w.text, got, err)
		case w.want != "" && (err != nil || got != w.want):
			t.Errorf("%s %s: got %q, %v", w.url, w.text, got, err)
		}
	}
	if got, err := rewrite(t, s, "other", "https://api.example.com/", "X-Key", p); !denied(err) || strings.Contains(got, password) {
		t.Errorf("another tenant sends it: %q, %v", got, err)
	}
	if err := s.Delete("acme", "API_KEY"); err != nil {
		t.Fatal(err)
	}
	if _, err := rewrite(t, s, "acme", "https://api.example.com/", "X-Key", p); !denied(err) {
		t.Errorf("a deleted secret: %v", err)
	}
	caller(t, s, "acme").Fails("NotFoundError", "secrets.get", "API_KEY")
}

func TestRewriteIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), keys(t, secrets.NewKey()))
	set(t, s, "acme", "BIG", strings.Repeat("x", secrets.MaxValue), false, "a.example")
	p := caller(t, s, "acme").Must("secrets.get", "BIG").(string)
	got, err := rewrite(t, s, "acme", "https://a.example/", "X-Key", strings.Repeat(p, 1500))
	var known *platform.Error
	if !errors.As(err, &known) || known.Name != "TypeError" || len(got) > 100_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestReveal(t *testing.T) {
	dir, line := t.TempDir(), secrets.NewKey()
	s := open(t, dir, keys(t, line))
	set(t, s, "acme", "PEM", "line 1\nline 2", true)
	for range 2 {
		if got := caller(t, s, "acme").Must("secrets.get", "PEM"); got != "line 1\nline 2" {
			t.Errorf("got %q", got)
		}
		s = open(t, dir, keys(t, line))
	}
	caller(t, s, "other").Fails("NotFoundError", "secrets.get", "PEM")
	caller(t, s, "acme").Fails("TypeError", "secrets.get")
	caller(t, s, "acme").Fails("TypeError", "secrets.get", 1)
}

func TestRotation(t *testing.T) {
	dir, old, current := t.TempDir(), secrets.NewKey(), secrets.NewKey()
	s := open(t, dir, keys(t, old))
	set(t, s, "acme", "A", password, true)
	set(t, s, "other", "B", password, true)
	get := func(k *secrets.Keys) error {
		_, err := caller(t, open(t, dir, k), "acme").Call("secrets.get", "A")
		return err
	}
	if err := get(keys(t, current)); !errors.Is(err, secrets.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	if err := get(nil); !errors.Is(err, secrets.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if err := get(keys(t, current, old)); err != nil {
		t.Errorf("with both keys: %v", err)
	}
	if n, err := open(t, dir, keys(t, current)).Rotate(); n != 0 || !errors.Is(err, secrets.ErrWrongKey) {
		t.Errorf("rotate without the old key: %d, %v", n, err)
	}
	for _, want := range []int{2, 0} {
		if n, err := open(t, dir, keys(t, current, old)).Rotate(); n != want || err != nil {
			t.Errorf("rotate: %d, %v; want %d", n, err, want)
		}
	}
	if err := get(keys(t, current)); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if err := open(t, dir, nil).Set("acme", secrets.Info{Name: "X", Reveal: true}, secrets.NewSecret("x")); !errors.Is(err, secrets.ErrNoKey) {
		t.Errorf("set without a key: %v", err)
	}
	if infos, err := open(t, dir, nil).List("acme"); err != nil || len(infos) != 1 || infos[0].Name != "A" {
		t.Errorf("list without a key: %v, %v", infos, err)
	}
}

// A record that is changed or moved on disk does not decrypt.
func TestChangedOnDisk(t *testing.T) {
	line := secrets.NewKey()
	for name, change := range map[string]func(string) string{
		"another host":   func(s string) string { return strings.ReplaceAll(s, "api.example.com", "api.example.net") },
		"another name":   func(s string) string { return strings.ReplaceAll(s, `"KEY"`, `"YEK"`) },
		"revealed":       func(s string) string { return strings.ReplaceAll(s, `"reveal": false`, `"reveal": true`) },
		"other contents": func(s string) string { return strings.Replace(s, `"sealed": "`, `"sealed": "AAAA`, 1) },
		"cut":            func(s string) string { i := strings.Index(s, `"sealed": "`) + 11; return s[:i] + `"}}}` },
		"another tenant": func(s string) string { return s },
	} {
		dir := t.TempDir()
		set(t, open(t, dir, keys(t, line)), "acme", "KEY", password, false, "api.example.com")
		text, err := os.ReadFile(filepath.Join(dir, "acme.json"))
		if err != nil {
			t.Fatal(err)
		}
		tenant, secret := "acme", "KEY"
		switch name {
		case "another tenant":
			tenant = "other"
		case "another name":
			secret = "YEK"
		}
		if err := os.WriteFile(filepath.Join(dir, tenant+".json"), []byte(change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := caller(t, open(t, dir, keys(t, line)), tenant).Call("secrets.get", secret); !errors.Is(err, secrets.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// Nothing that the package returns, logs or keeps shows a value.
func TestNeverShown(t *testing.T) {
	dir, line := t.TempDir(), secrets.NewKey()
	var seen bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := secrets.New(secrets.Options{Dir: dir, Keys: keys(t, line), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	set(t, s, "acme", "KEY", password, false, "api.example.com")
	v := secrets.NewSecret(password)
	text, _ := json.Marshal(map[string]any{"a": v, "b": &v, "c": []secrets.Secret{v}})
	fmt.Fprintf(&seen, "%v %+v %#v %s %q %x %d %v %s", v, v, v, v, v, v, v, struct{ S secrets.Secret }{v}, text)
	log.Info("a secret", "secret", v, "in", struct{ S secrets.Secret }{v})
	slog.New(slog.NewTextHandler(&seen, nil)).Info("a secret", "secret", v, "any", []any{v})
	infos, err := s.List("acme")
	fmt.Fprintf(&seen, "%+v %v", infos, err)
	for _, bad := range []secrets.Info{{Name: "a b"}, {Name: "A"}, {Name: "A", Hosts: []string{"*"}}} {
		fmt.Fprint(&seen, s.Set("acme", bad, secrets.NewSecret(password)))
	}
	fmt.Fprint(&seen, s.Set("acme", secrets.Info{Name: "A", Hosts: []string{"a.example"}}, secrets.NewSecret(password+"\n")))
	p := caller(t, s, "acme").Must("secrets.get", "KEY").(string)
	for _, to := range []string{"https://evil.example/", "https://api.example.com/?k=" + p} {
		_, err := rewrite(t, s, "acme", to, "X-Key", p)
		fmt.Fprintf(&seen, "%v %+v", err, err)
	}
	wrong, err := secrets.New(secrets.Options{Dir: dir, Keys: keys(t, secrets.NewKey()), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	_, err = caller(t, wrong, "acme").Call("secrets.get", "KEY")
	fmt.Fprintf(&seen, "%v %+v", err, errors.Unwrap(err))
	_, err = secrets.ParseKeys([]byte(line + "short\n"))
	fmt.Fprint(&seen, err)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	stored, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	seen.Write(stored)
	for _, form := range []string{password, base64.StdEncoding.EncodeToString([]byte(password)), fmt.Sprintf("%x", password), strings.TrimSpace(line)} {
		if bytes.Contains(bytes.ToLower(seen.Bytes()), bytes.ToLower([]byte(form))) {
			t.Errorf("%q is in %s", form, &seen)
		}
	}
	if !bytes.Contains(seen.Bytes(), []byte("a secret cannot be used")) || !bytes.Contains(seen.Bytes(), []byte("[secret]")) {
		t.Errorf("the test saw nothing: %s", &seen)
	}
}

func TestWrongSecrets(t *testing.T) {
	s := open(t, t.TempDir(), keys(t, secrets.NewKey()))
	for _, w := range []struct {
		name, value string
		hosts       []string
	}{
		{"", "v", []string{"a.example"}}, {"a b", "v", []string{"a.example"}}, {"../A", "v", []string{"a.example"}},
		{strings.Repeat("A", 129), "v", []string{"a.example"}}, {"A", "", []string{"a.example"}},
		{"A", strings.Repeat("v", secrets.MaxValue+1), []string{"a.example"}}, {"A", "\xff", []string{"a.example"}},
		{"A", "v\r\nX: y", []string{"a.example"}}, {"A", "v", nil},
		{"A", "v", []string{"*"}}, {"A", "v", []string{"a.*.example"}}, {"A", "v", []string{"a.example/path"}},
		{"A", "v", []string{"ftp://a.example"}}, {"A", "v", []string{"a.example:0"}}, {"A", "v", []string{"a.example:x"}},
		{"A", "v", []string{"me@a.example"}}, {"A", "v", []string{""}}, {"A", "v", []string{"*.127.0.0.1"}}, {"A", "v", []string{"a b"}},
		{"A", "v", strings.Split(strings.Repeat("a.example,", 20)+"b.example", ",")},
	} {
		if err := s.Set("acme", secrets.Info{Name: w.name, Hosts: w.hosts}, secrets.NewSecret(w.value)); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%.40q %.40q %.80q: %v", w.name, w.value, w.hosts, err)
		}
	}
	for i := range secrets.MaxSecrets {
		set(t, s, "acme", fmt.Sprint("S", i), "v", true)
	}
	if err := s.Set("acme", secrets.Info{Name: "ONE_MORE", Reveal: true}, secrets.NewSecret("v")); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("one too many: %v", err)
	}
	if err := s.Delete("acme", "MISSING"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if infos, err := s.List("acme"); err != nil || len(infos) != 0 {
		t.Errorf("%v, %v", infos, err)
	}
}

func TestLoadKeys(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, err := secrets.LoadKeys(""); !errors.Is(err, secrets.ErrNoKey) {
		t.Errorf("without a credential: %v", err)
	}
	path := filepath.Join(dir, secrets.CredentialName)
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("# made today\n\n"+secrets.NewKey(), 0o600)
	if _, err := secrets.LoadKeys(""); err != nil {
		t.Error(err)
	}
	if _, err := secrets.LoadKeys(path); err != nil {
		t.Error(err)
	}
	for text, mode := range map[string]os.FileMode{"": 0o600, "# none\n": 0o600, "c2hvcnQ=\n": 0o600, "not base64\n": 0o600, secrets.NewKey(): 0o644} {
		write(text, mode)
		if _, err := secrets.LoadKeys(""); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q, mode %o: %v", text, mode, err)
		}
	}
	if _, err := secrets.LoadKeys(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Whatever stands in a record's file, it is an error or what was set.
func FuzzRecord(f *testing.F) {
	line := secrets.NewKey()
	dir := f.TempDir()
	set(f, open(f, dir, keys(f, line)), "acme", "KEY", password, true)
	good, err := os.ReadFile(filepath.Join(dir, "acme.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"secrets":{"KEY":{"name":"KEY","hosts":null,"sealed":"AAAA"}}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, "acme.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, keys(t, line))
		if v, err := caller(t, s, "acme").Call("secrets.get", "KEY"); err == nil && v != password && !strings.HasPrefix(fmt.Sprint(v), "bh-secret-") {
			t.Errorf("got %v", v)
		}
		_, _ = s.List("acme")
	})
}
