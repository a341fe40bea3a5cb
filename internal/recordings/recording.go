package recordings

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// MaxBytes is how much of an invocation's host calls is kept: their
	// arguments, their answers, and the pieces of their streams.
	MaxBytes = 4 << 20
	// maxFile bounds a file, maxPlain what is in it.
	maxFile, maxPlain = 16 << 20, 32 << 20
	format            = 1
)

// Recording is what an invocation saw, and what it did.
type Recording struct {
	Format   int       `json:"format"`
	ID       string    `json:"id"` // the invocation's
	Tenant   string    `json:"tenant"`
	Function string    `json:"function"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`

	Code      string        `json:"code"`
	SourceMap string        `json:"source_map,omitempty"` // the digest of the stored one
	Memory    int64         `json:"memory"`               // bytes
	Timeout   time.Duration `json:"timeout_ns"`
	CPU       time.Duration `json:"cpu_ns,omitempty"`

	// What the sandbox was given, encoded as it goes there.
	Event   []byte `json:"event"`
	Seed    []byte `json:"seed"`
	Course  []byte `json:"course,omitempty"`
	Refused []byte `json:"refused,omitempty"`
	Policy  string `json:"policy,omitempty"`

	// HTTP says that it answers an HTTP request: Event describes it, and Result
	// is the answer, unless a call to http:respond has begun one. Headers that let
	// somebody in have lost their values.
	HTTP bool `json:"http,omitempty"`

	Calls []Call `json:"calls"` // in the order in which they were made

	Outcome   string `json:"outcome"`
	Exception string `json:"exception,omitempty"` // its first line
	Result    []byte `json:"result,omitempty"`
	Logs      []Line `json:"logs,omitempty"`
	Truncated bool   `json:"truncated,omitempty"` // there was more than is kept
}

// Call is a host call and its answer.
type Call struct {
	Number uint32 `json:"number"`
	API    string `json:"api"`
	// Args are its arguments, with what the policy redacts replaced.
	Args    json.RawMessage `json:"args,omitempty"`
	Data    []byte          `json:"data,omitempty"`    // of a stream's piece
	Refused bool            `json:"refused,omitempty"` // by the sandbox itself
	Answer  *Answer         `json:"answer,omitempty"`  // nil when there was none
}

// Answer is what a host call came to.
type Answer struct {
	Value     []byte `json:"value,omitempty"`
	Data      []byte `json:"data,omitempty"`
	Exception []byte `json:"exception,omitempty"` // encoded as it goes to the sandbox
}

// Line is one line that it logged.
type Line struct {
	Level   string `json:"level"`
	Message string `json:"message"`
}

var errForm = errors.New("the recording is damaged, or of another version")

// encode makes a file of a recording.
func encode(r *Recording) ([]byte, error) {
	r.Format = format
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a recording: %w", err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	data := z.EncodeAll(text, nil)
	if len(text) > maxPlain || len(data) > maxFile {
		return nil, fmt.Errorf("the recording has %d bytes; the most is %d", len(text), maxPlain)
	}
	return data, nil
}

// decode reads a file.
func decode(data []byte) (*Recording, error) {
	if len(data) > maxFile {
		return nil, errForm
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	r := &Recording{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	if r.Format != format || len(r.Seed) != 32 || r.ID == "" {
		return nil, errForm
	}
	return r, nil
}
