package gateway

import (
	"math"
	"net/url"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"5MiB": 5 << 20, "512KiB": 512 << 10, "1048576": 1 << 20, "1.5MiB": 3 << 19, "2 GB": 2e9, "0": 0, "8mib": 8 << 20,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "5 apples", "1,5MiB", "NaN", "1e3", "9999999999EiB", "10EB", "5MiB5MiB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q: %d, want an error", s, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"5MiB", "1048576", "1.5 kB", "-1", "1,0", "9223372036854775807", "16EiB", ".", "٣MiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q: %d", s, n)
		}
		// Above 2^53 go-humanize counts in floats.
		if back, err := ParseSize(FormatSize(n)); n < 1<<53 && (err != nil || back != n) {
			t.Fatalf("%q: %d is written %q, which is read as %d, %v", s, n, FormatSize(n), back, err)
		}
	})
}

func FuzzDecodeDeploy(f *testing.F) {
	f.Add(true, "", []byte(`{"code":"() => 1","memory":"5MiB","timeout":"5s","concurrency":4,"isolation":"warm"}`))
	f.Add(true, "memory=1", []byte(`{"code":"\ud800","memory":1e999}`))
	f.Add(false, "memory=5MiB&timeout=5s&concurrency=4&isolation=fresh", []byte("() => 1"))
	f.Add(false, "concurrency=99999999999999999999&timeout=9999999h", []byte("\xff"))
	f.Fuzz(func(t *testing.T, isJSON bool, rawQuery string, body []byte) {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		media := "text/javascript"
		if isJSON {
			media = "application/json"
		}
		var spec supervisor.FunctionSpec
		problems := decodeDeploy(&spec, media, query, body)
		for _, p := range problems {
			if p.Reason == "" || p.Line < 0 || p.Column < 0 {
				t.Fatalf("%+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if spec.Code == "" || !utf8.ValidString(spec.Code) {
			t.Fatalf("code %q was taken", spec.Code)
		}
		if spec.Memory < 0 || spec.Timeout < 0 || spec.Timeout > time.Duration(math.MaxInt64) || spec.Concurrency < 0 || spec.Concurrency > math.MaxInt32 {
			t.Fatalf("%+v", spec)
		}
		if spec.Isolation != "" && spec.Isolation != supervisor.Fresh && spec.Isolation != supervisor.Warm {
			t.Fatalf("isolation %q", spec.Isolation)
		}
	})
}
