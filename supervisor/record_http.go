package supervisor

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/recordings"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// hidden is what stands in a recording for the value of a header that lets
// somebody in.
const hidden = "[redacted]"

// secretHeaders are those, in lower case.
var secretHeaders = []string{"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"}

// shownCall is a host call as a recording may hold it.
func (inv *invocation) shownCall(c *sandboxpb.HostCall) recordings.Call {
	call := recordings.Call{Number: c.GetCall(), API: c.GetApi(), Args: inv.shownArgs(c), Data: c.GetData(), Refused: c.GetRefused()}
	switch call.API {
	case "fetch":
		call.Args = withoutSecrets(call.Args)
	case string(ipc.HTTPRespond):
		call.Data = withoutSecrets(call.Data)
	}
	return call
}

// shownAnswer is what an invocation returned that answers an HTTP request: the
// answer, if it is not begun by then.
func shownAnswer(wire value.Wire) []byte {
	text, err := value.ToJSON(wire)
	if err != nil {
		return nil
	}
	return withoutSecrets(text)
}

// withoutSecrets replaces the values of secret headers in a JSON text: in pairs
// of a name and a value, and in objects. A text without any stays as it is.
func withoutSecrets(text []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return []byte(`"[not kept]"`)
	}
	if !hideHeaders(v) {
		return text
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`"[not kept]"`)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func hideHeaders(v any) (found bool) {
	switch v := v.(type) {
	case []any:
		if name, ok := first(v).(string); ok && len(v) == 2 && isSecretHeader(name) {
			v[1] = hidden
			return true
		}
		for _, inner := range v {
			found = hideHeaders(inner) || found
		}
	case map[string]any:
		for name, inner := range v {
			if isSecretHeader(name) {
				v[name] = hidden
				found = true
			} else {
				found = hideHeaders(inner) || found
			}
		}
	}
	return found
}

func first(v []any) any {
	if len(v) == 0 {
		return nil
	}
	return v[0]
}

func isSecretHeader(name string) bool { return slices.Contains(secretHeaders, strings.ToLower(name)) }
