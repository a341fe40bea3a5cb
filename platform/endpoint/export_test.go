package endpoint

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Read is how an answer is read.
func Read(e *Endpoint, status int, retryAfter string, text []byte) (json.RawMessage, error) {
	resp := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}}
	result, _, err := e.read(resp, bytes.TrimSpace(text))
	return result, err
}
