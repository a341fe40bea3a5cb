package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

func init() {
	children["revive"] = func(dir string) int { return reviveAfterFailure(dir, revived) }
	children["revive registry"] = func(dir string) int { return reviveAfterFailure(dir, revivedRegistry) }
}

// limitFiles has every write beyond a length fail, as a failing disk does.
func limitFiles(length uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(length, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// reviveAfterFailure stores, fails to, and stores again.
func reviveAfterFailure(dir string, revived func(context.Context, string) error) int {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	if err := revived(ctx, dir); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("stored again")
	return 0
}

func revived(ctx context.Context, dir string) error {
	d, err := store.OpenData(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer d.Close()
	stream, err := d.TenantStream(ctx, "kv", "acme", jetstream.StreamConfig{})
	if err != nil {
		return err
	}
	put := func(key string) error {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		_, err := d.JetStream().Publish(ctx, store.Subject("kv", "acme")+key, []byte(key))
		return err
	}
	if err := put("before"); err != nil {
		return err
	}
	if err := limitFiles(10); err != nil {
		return err
	}
	if err := put("meanwhile"); err == nil {
		return errors.New("a write was acknowledged that cannot be")
	}
	if err := limitFiles(1 << 62); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); put("after") != nil; {
		if time.Now().After(deadline) {
			return errors.New("no write is taken any more")
		}
	}
	for _, key := range []string{"before", "after"} {
		if m, err := stream.GetLastMsgForSubject(ctx, store.Subject("kv", "acme")+key); err != nil || string(m.Data) != key {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// A write that the disk refuses does not stop a stream for good.
func TestWritesGoOnAfterAFailure(t *testing.T) {
	text, err := io.ReadAll(start(t, child(t, "revive", t.TempDir())))
	if err != nil || !strings.Contains(string(text), "stored again") {
		t.Errorf("it says %q, %v", text, err)
	}
}

// revivedRegistry is the same for deploys, one of which waits for its answer in vain.
func revivedRegistry(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.PutTenant(ctx, store.Tenant{Name: "acme"}); err != nil {
		return err
	}
	put := func(version string) error {
		_, err := replace(ctx, s, spec("acme", "f", version), []byte(version), nil)
		return err
	}
	if err := put("before"); err != nil {
		return err
	}
	if err := limitFiles(10); err != nil {
		return err
	}
	if err := put("meanwhile"); err == nil {
		return errors.New("a deploy was acknowledged that cannot be")
	}
	if f, err := live(s, "acme", "f"); err != nil || f.Policy != "before" {
		return fmt.Errorf("it is %+v, %w", f, err)
	}
	if err := limitFiles(1 << 62); err != nil {
		return err
	}
	for deadline := time.Now().Add(40 * time.Second); ; {
		err := put("after")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no deploy is taken any more: %w", err)
		}
	}
	f, err := live(s, "acme", "f")
	if err != nil || f.Policy != "after" {
		return fmt.Errorf("it is %s, %w", f.Version, err)
	}
	code, err := s.Code(ctx, "acme", f.Digest)
	if err != nil || string(code) != "after" {
		return fmt.Errorf("its code is %s, %w", code, err)
	}
	return nil
}

// The registry waits ten seconds for such a write.
func TestDeploysGoOnAfterAFailure(t *testing.T) {
	if os.Getenv("BULKHEAD_FAULTS") == "" {
		t.Skip("it takes half a minute; BULKHEAD_FAULTS is not set")
	}
	text, err := io.ReadAll(start(t, child(t, "revive registry", t.TempDir())))
	if err != nil || !strings.Contains(string(text), "stored again") {
		t.Errorf("it says %q, %v", text, err)
	}
}
