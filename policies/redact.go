package policies

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// redacted stands for a value that the audit log must not hold.
const redacted = `"[redacted]"`

// argPath is where in the arguments a value is: args[1].headers.authorization.
type argPath struct {
	source string
	arg    int // -1: every argument
	steps  []string
}

var (
	argPathPattern = regexp.MustCompile(`^args\[([0-9]{1,2}|\*)\]((?:\.(?:[A-Za-z_$][A-Za-z0-9_$-]*|\*)|\[(?:[0-9]{1,6}|\*)\]){0,16})$`)
	argPathStep    = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$-]*|[0-9]+|\*`)
)

func parseArgPath(s string) (argPath, bool) {
	m := argPathPattern.FindStringSubmatch(s)
	if m == nil {
		return argPath{}, false
	}
	p := argPath{source: s, arg: -1, steps: argPathStep.FindAllString(m[2], -1)}
	if m[1] != "*" {
		p.arg, _ = strconv.Atoi(m[1])
	}
	return p, true
}

// Redact returns a call's arguments as an audit log may hold them: what the
// rules that name the API say is to be redacted is replaced by "[redacted]".
// That counts whichever rule decides, so that a call which is denied does not
// give away what one that is allowed would not. The given arguments are left
// as they are; one that is not JSON is redacted whole when a rule looks into it.
func (p *Policy) Redact(api string, args []json.RawMessage) []json.RawMessage {
	if p == nil {
		return args
	}
	var paths []argPath
	for _, l := range p.levels() {
		rules, named := l.byName.candidates(api)
		for _, r := range rules {
			if len(r.redact) > 0 && (named || r.names(api)) {
				paths = append(paths, r.redact...)
			}
		}
	}
	if len(paths) == 0 {
		return args
	}
	out := make([]json.RawMessage, len(args))
	for i, raw := range args {
		out[i] = redactArg(raw, i, paths)
	}
	return out
}

func redactArg(raw json.RawMessage, i int, paths []argPath) json.RawMessage {
	var value any
	decoded, changed := false, false
	for _, p := range paths {
		if p.arg != i && p.arg != -1 {
			continue
		}
		if len(p.steps) == 0 {
			return json.RawMessage(redacted)
		}
		if !decoded {
			d := json.NewDecoder(bytes.NewReader(raw))
			d.UseNumber()
			if !json.Valid(raw) || d.Decode(&value) != nil {
				return json.RawMessage(redacted)
			}
			decoded = true
		}
		changed = redactValue(value, p.steps) || changed
	}
	if !changed {
		return raw
	}
	out, err := json.Marshal(value)
	if err != nil {
		return json.RawMessage(redacted)
	}
	return out
}

// redactValue replaces what the steps lead to. Members are found in any case,
// as headers are.
func redactValue(value any, steps []string) (changed bool) {
	if len(steps) == 0 {
		return false
	}
	last := len(steps) == 1
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if steps[0] != "*" && !strings.EqualFold(name, steps[0]) {
				continue
			}
			if last {
				v[name], changed = json.RawMessage(redacted), true
			} else {
				changed = redactValue(member, steps[1:]) || changed
			}
		}
	case []any:
		for i, element := range v {
			if steps[0] != "*" && steps[0] != strconv.Itoa(i) {
				continue
			}
			if last {
				v[i], changed = json.RawMessage(redacted), true
			} else {
				changed = redactValue(element, steps[1:]) || changed
			}
		}
	}
	return changed
}
