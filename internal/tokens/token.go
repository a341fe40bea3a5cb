package tokens

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"strings"
)

// Pattern is the regular expression of a token, for secret scanners. The last
// six characters are the CRC-32 (IEEE) of those before them, in base 62.
const Pattern = `bhk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}`

const (
	prefix     = "bhk_"
	idSize     = 12 // 71 bits
	secretSize = 43 // 256 bits
	checkSize  = 6
	textSize   = len(prefix) + idSize + 1 + secretSize + checkSize

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ErrMalformed means that a text is no token at all: it was cut off, mistyped,
// or is another program's.
var ErrMalformed = errors.New("this is not a token of Bulkhead's")

// Generate makes a token that no store knows yet.
func Generate() string {
	body := prefix + random(idSize) + "_" + random(secretSize)
	return body + check(body)
}

// Looks tells whether a text has the form of a token, of any store.
func Looks(text string) bool {
	_, _, err := parse(text)
	return err == nil
}

// random returns n random digits.
func random(n int) string {
	var out strings.Builder
	for buf := make([]byte, 2*n); out.Len() < n; {
		_, _ = rand.Read(buf) // it never fails
		for _, b := range buf {
			if b < 4*62 && out.Len() < n { // all digits as likely as each other
				out.WriteByte(digits[b%62])
			}
		}
	}
	return out.String()
}

func check(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	text := make([]byte, checkSize)
	for i := checkSize - 1; i >= 0; i-- {
		text[i] = digits[sum%62]
		sum /= 62
	}
	return string(text)
}

// parse returns the public id of a token, and the hash it is kept under.
func parse(text string) (id string, hash [sha256.Size]byte, err error) {
	if len(text) != textSize || !strings.HasPrefix(text, prefix) || text[len(prefix)+idSize] != '_' {
		return "", hash, ErrMalformed
	}
	id = text[len(prefix) : len(prefix)+idSize]
	for _, part := range []string{id, text[len(prefix)+idSize+1:]} {
		if strings.Trim(part, digits) != "" {
			return "", hash, ErrMalformed
		}
	}
	if body := text[:textSize-checkSize]; check(body) != text[textSize-checkSize:] {
		return "", hash, ErrMalformed
	}
	return id, sha256.Sum256([]byte(text)), nil
}
