package webapi

import (
	"bytes"
	"mime"
	"net/textproto"
	"strings"
)

// maxParts bounds how many parts a form has.
const maxParts = 10_000

type formPart struct {
	Name     string  `json:"name"`
	Filename *string `json:"filename,omitempty"`
	Type     string  `json:"type,omitempty"`
	Start    int     `json:"start"`
	End      int     `json:"end"`
}

type form struct {
	Parts []formPart `json:"parts"`
}

// formParse is parse(content type, bytes): the parts of multipart/form-data,
// with where their contents are.
func formParse(a Args) (any, error) {
	invalid := typeError("The body is not multipart/form-data")
	kind, params, err := mime.ParseMediaType(a.Text(0))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, invalid
	}
	data := a.Bytes(1)
	delimiter := []byte("\r\n--" + params["boundary"])
	at := 0
	if bytes.HasPrefix(data, delimiter[2:]) {
		at = len(delimiter) - 2
	} else if n := bytes.Index(data, delimiter); n >= 0 {
		at = n + len(delimiter)
	} else {
		return nil, invalid
	}
	out := form{Parts: []formPart{}}
	for {
		rest := data[at:]
		if bytes.HasPrefix(rest, []byte("--")) {
			return out, nil
		}
		line := bytes.Index(rest, []byte("\r\n"))
		if line < 0 || len(bytes.Trim(rest[:line], " \t")) > 0 || len(out.Parts) == maxParts {
			return nil, invalid
		}
		at += line // The headers may be none, so their end may begin here.
		end := bytes.Index(data[at:], []byte("\r\n\r\n"))
		if end < 0 {
			return nil, invalid
		}
		head := string(data[at : at+end])
		start := at + end + 4
		stop := bytes.Index(data[start-2:], delimiter)
		if stop < 0 {
			return nil, invalid
		}
		stop += start - 2
		p, ok := partOf(head)
		if !ok {
			return nil, invalid
		}
		p.Start, p.End = start, max(stop, start)
		out.Parts = append(out.Parts, p)
		at = stop + len(delimiter)
	}
}

func partOf(head string) (p formPart, ok bool) {
	for line := range strings.SplitSeq(head, "\r\n") {
		key, value, _ := strings.Cut(line, ":")
		value = textproto.TrimString(value)
		switch strings.ToLower(textproto.TrimString(key)) {
		case "content-disposition":
			if !strings.HasPrefix(lower(value), "form-data") {
				return p, false
			}
			if name, found := parameter(value, "name"); found {
				p.Name, ok = name, true
			}
			if name, found := parameter(value, "filename"); found {
				p.Filename = &name
			}
		case "content-type":
			p.Type = lossy([]byte(value))
		}
	}
	return p, ok
}

var unescapeName = strings.NewReplacer("%0A", "\n", "%0D", "\r", "%22", `"`)

// parameter reads a parameter as browsers write it: quotes and line ends as
// %22, %0D and %0A, everything else as it is.
func parameter(value, name string) (string, bool) {
	for rest := value; ; {
		n := strings.Index(lower(rest), name+"=")
		if n < 0 {
			return "", false
		}
		before := strings.TrimRight(rest[:n], " \t")
		rest = rest[n+len(name)+1:]
		if !strings.HasSuffix(before, ";") {
			continue
		}
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			text, _, found := strings.Cut(quoted, `"`)
			return lossy([]byte(unescapeName.Replace(text))), found
		}
		text, _, _ := strings.Cut(rest, ";")
		return lossy([]byte(strings.TrimSpace(text))), true
	}
}

// lower is text with ASCII letters in lower case, and of the same length.
func lower(text string) string {
	b := []byte(text)
	for n, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[n] = c + 'a' - 'A'
		}
	}
	return string(b)
}
