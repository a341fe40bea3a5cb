package endpoint_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/endpoint"
)

// FuzzAnswer: whatever an endpoint answers, JavaScript gets JSON or an
// exception of bounded size.
func FuzzAnswer(f *testing.F) {
	e, err := endpoint.New(endpoint.Options{Name: "crm.lookup", URL: "http://127.0.0.1:1/"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(e.Close)
	f.Add(200, "", []byte(`{"a":1}`))
	f.Add(404, "", []byte(`{"error":{"name":"NotFoundError","message":"no","properties":{"a":[1]}}}`))
	f.Add(400, "", []byte(`{"error":{"name":"\u0000","message":"\ud800","properties":[]}}`))
	f.Add(429, "7", []byte{0xff})
	f.Fuzz(func(t *testing.T, status int, retryAfter string, text []byte) {
		result, err := endpoint.Read(e, status, retryAfter, text)
		var known *platform.Error
		switch {
		case err == nil:
			if len(result) > 0 && (!json.Valid(result) || !utf8.Valid(result)) {
				t.Errorf("result %q", result)
			}
		case errors.As(err, &known):
			if len(known.Name) > 64 || len(known.Message) > 8<<10 || !utf8.ValidString(known.Message) {
				t.Errorf("exception %q: %q", known.Name, known.Message)
			}
			if _, err := json.Marshal(known.Properties); err != nil {
				t.Error(err)
			}
		}
	})
}
