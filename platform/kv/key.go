package kv

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// encodeKey makes one token of a subject of any key: its bytes in base64url,
// so that two keys never meet in one subject.
func encodeKey(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// decodeKey is the inverse of encodeKey. It takes no other spelling.
func decodeKey(token string) (key string, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) == 0 || len(b) > maxKey || !utf8.Valid(b) || strings.ContainsAny(token, "\r\n") {
		return "", false
	}
	return string(b), true
}
