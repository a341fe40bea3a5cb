package gateway_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// pair makes a certificate for localhost, and its key, in PEM.
func pair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// record is a log that goroutines may write to.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// A new pair is used from the next connection on; one that is no good is told,
// and the old one stays.
func TestTLSIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c, k := pair(t, "first")
	put(t, cert, c)
	put(t, key, k)
	var log record
	config, err := gateway.LoadTLS(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serve(t, newFake(), gateway.Options{TLS: config, Tokens: tokenStore(t)})
	shown := func() string {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get("https://" + addr + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoMajor != 2 || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s %s, TLS %x", resp.Status, resp.Proto, resp.TLS.Version)
		}
		return resp.TLS.PeerCertificates[0].Subject.CommonName
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come about; the log: %s", what, log.String())
			}
		}
	}
	if got := shown(); got != "first" {
		t.Fatalf("shows %s", got)
	}
	c2, k2 := pair(t, "second")
	put(t, cert, c2) // its key is still the old one
	until("a word on what is wrong", func() bool { return shown() == "first" && strings.Contains(log.String(), "the old one stays") })
	put(t, key, k2)
	until("the new certificate", func() bool { return shown() == "second" })
	put(t, cert, []byte("nonsense"))
	until("a word on the nonsense", func() bool { return shown() == "second" && strings.Count(log.String(), "the old one stays") >= 2 })
}

func TestTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	c, k := pair(t, "x")
	_, other := pair(t, "y")
	for name, data := range map[string][]byte{"cert": c, "key": k, "other": other, "open": k} {
		put(t, filepath.Join(dir, name), data)
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"other": "does not match", "nowhere": "no such file", "open": "everyone can read"} {
		_, err := gateway.LoadTLS(filepath.Join(dir, "cert"), filepath.Join(dir, name), slog.Default())
		if outcome.Of(err) != outcome.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
