package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

var errNever = errors.New("the test never connects")

// recorder makes f record what it would connect to, and connect to nothing.
type recorder struct {
	mu    sync.Mutex
	addrs []string
}

func (r *recorder) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.addrs
	r.addrs = nil
	return a
}

func record(f *Fetch, resolver *net.Resolver) *recorder {
	r := &recorder{}
	f.pools.newDialer = func(private bool) *dialer {
		return &dialer{private: private, resolver: resolver, connecting: func(_, address string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.addrs = append(r.addrs, address)
			return errNever
		}}
	}
	return r
}

// names is a DNS server on loopback that answers from a table; each further
// question for a name takes the next answer.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string // addresses, or a single other name
	asked   map[string]int
}

func (n *names) resolver(t *testing.T) *net.Resolver {
	n.asked = map[string]int{}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := n.answer(buf[:size]); reply != nil {
				pc.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func (n *names) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := q.Name.String()
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	n.mu.Lock()
	defer n.mu.Unlock()
	all, ok := n.answers[name]
	alias := q.Name
	if ok && strings.HasSuffix(all[0][0], ".") {
		alias = dnsmessage.MustNewName(all[0][0])
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeCNAME, Class: q.Class},
			Body:   &dnsmessage.CNAMEResource{CNAME: alias},
		})
		name = alias.String()
		all, ok = n.answers[name]
	}
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	} else if q.Type == dnsmessage.TypeA {
		addrs := all[min(n.asked[name], len(all)-1)]
		n.asked[name]++
		for _, a := range addrs {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: alias, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func tryFetch(t *testing.T, f *Fetch, url string, private bool) error {
	t.Helper()
	a := args(url, "")
	if _, err := attributes(a); err != nil {
		return err
	}
	_, err := f.API().Func(t.Context(), &platform.Call{Tenant: "t", Args: a, Verdict: policies.Verdict{Allowed: true, Private: private}})
	if err == nil {
		t.Errorf("%s: no error", url)
	}
	return err
}

func TestSpecialAddressesAreOutOfReach(t *testing.T) {
	f := New(Options{})
	defer f.Close()
	n := &names{answers: map[string][][]string{
		"metadata.google.internal.": {{"169.254.169.254"}},
		"loop.example.":             {{"127.0.0.1"}},
		"ten.example.":              {{"10.1.2.3"}},
		"alias.example.":            {{"loop.example."}},
	}}
	rec := record(f, n.resolver(t))
	missing := tryFetch(t, f, "http://missing.example/", false).Error()
	blocked := []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0::1]", "[fec0::1]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
		"169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"１２７.0.0.1", "metadata.google.internal", "METADATA.google.internal.", "loop.example", "ten.example", "alias.example", "localhost",
		"127。0。0。1", "１６９．２５４．１６９．２５４", "LOOP.EXAMPLE", "loop。example", "ten.example.", "192.168.255.254", "127.0.0.1:", "[::ffff:169.254.169.254]",
		"[fe80::a9fe:a9fe]", "[2001:10::1]", "[2001:20::1]", "[100::1]", "[5f00::1]", "[2002:a9fe:a9fe::]", "[64:ff9b::a9fe:a9fe]", "[::7f00:1]", "[fc00::1]", "[ff05::2]", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "loop.example#@1.1.1.1", "loop.example?@1.1.1.1",
	}
	for _, host := range blocked {
		if err := tryFetch(t, f, "http://"+host+"/", false); err.Error() != missing {
			t.Errorf("%s: the tenant can tell: %v, not %v", host, err, missing)
		}
		if got := rec.taken(); got != nil {
			t.Errorf("%s: would connect to %v", host, got)
		}
	}
	for _, host := range []string{"127.1", "0", "0177.0.0.1", "0x7f000001", "2130706433", "[fe80::1%25lo]",
		"good@127.0.0.1", "127.0.0.1\\@1.1.1.1", "1.1.1.1\\.loop.example", "127.0.0.\t1", "loop\n.example", "loop.example:0", "loop.example:99999", "127.0.0.1%00.example",
		"[::1", "[::ffff:127.0.0.1%25lo]", "127.0.0.1 .example", "good@", ":80", "[]", "[127.0.0.1]", "１２７.１", "0x7f.0.0.1", "127.0.0.1..", "127.0x0.0.1", "loop.example:80:80"} {
		if err := tryFetch(t, f, "http://"+host+"/", false); err == nil || rec.taken() != nil {
			t.Errorf("%s: got %v", host, err)
		}
	}
	for _, port := range []int{22, 25, 53, 110, 5432, 6379, 11211} {
		if err := tryFetch(t, f, fmt.Sprintf("http://1.1.1.1:%d/", port), true); err == nil || rec.taken() != nil {
			t.Errorf("port %d: got %v", port, err)
		}
	}
	// What the above would be without the check.
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1:80", "loop.example": "127.0.0.1:80", "[::1]": "[::1]:80"} {
		tryFetch(t, f, "http://"+host+"/", true)
		if got := rec.taken(); len(got) != 1 || got[0] != want {
			t.Errorf("private: %s: would connect to %v", host, got)
		}
	}
	for host, want := range map[string]string{"1.1.1.1": "1.1.1.1:80", "[2606:4700::1111]": "[2606:4700::1111]:80"} {
		tryFetch(t, f, "http://"+host+"/", false)
		if got := rec.taken(); len(got) != 1 || got[0] != want {
			t.Errorf("public: %s: would connect to %v", host, got)
		}
	}
}

func TestRebinding(t *testing.T) {
	f := New(Options{})
	defer f.Close()
	n := &names{answers: map[string][][]string{
		"flip.example.": {{"1.1.1.1"}, {"127.0.0.1"}},
		"both.example.": {{"10.0.0.1", "1.1.1.1", "127.0.0.1"}},
	}}
	rec := record(f, n.resolver(t))
	tryFetch(t, f, "http://flip.example/", false)
	if got := rec.taken(); len(got) != 1 || got[0] != "1.1.1.1:80" {
		t.Errorf("first: %v", got)
	}
	tryFetch(t, f, "http://flip.example/", false)
	if got := rec.taken(); got != nil {
		t.Errorf("after the name moved: %v", got)
	}
	tryFetch(t, f, "http://both.example/", false)
	if got := rec.taken(); len(got) != 1 || got[0] != "1.1.1.1:80" {
		t.Errorf("of several addresses: %v", got)
	}
}
