package wire

// Version changes with every change of the messages.
const Version = 3

// ConfigKey is the environment variable that holds a process's Config, as
// JSON. It is the only one that a process is given.
const ConfigKey = "BULKHEAD_DATABASE"

// The sockets that a process is started with: on one it is told what to
// interrupt, and each of its connections has one. The first connection is the
// one that writes; the others' descriptors follow.
const (
	InterruptSocket = 3
	FirstSocket     = 4
)

// Config is what a database process starts with. Its working directory is the
// tenant's.
type Config struct {
	Version int
	// Connections is how many sockets there are, at least 2.
	Connections int
	// Check has the file looked over before the first statement.
	Check bool
	// MaxSize is the largest size of the database in bytes.
	MaxSize int64
	// MaxMemory bounds the process's own memory, in bytes.
	MaxMemory int64
	// MaxRows and MaxResult bound one statement's result: rows, and bytes as
	// Size counts them.
	MaxRows, MaxResult int
	// Lockdown is the configuration of the process's lock-down.
	Lockdown string
}

// Op is what a request asks for.
type Op uint8

const (
	// Describe compiles a statement and tells what it would do.
	Describe Op = iota + 1
	// Run runs a statement if it does nothing beyond what Facts allow, and
	// else only tells what it would do.
	Run
	// Begin, Commit and Rollback concern the connection's transaction.
	Begin
	Commit
	Rollback
)

// Interrupt ends a request, which is answered all the same. It comes on a
// socket of its own, so that whoever runs statements need not listen meanwhile,
// and may be there before the request.
type Interrupt struct {
	Connection int    `cbor:"1,keyasint"` // which of them, from 0
	Number     uint64 `cbor:"2,keyasint"` // the request's
}

// Request goes to the process. Numbers grow.
type Request struct {
	Number uint64  `cbor:"1,keyasint"`
	Op     Op      `cbor:"2,keyasint"`
	SQL    string  `cbor:"3,keyasint,omitempty"`
	Params []Param `cbor:"4,keyasint,omitempty"`
	Facts  *Facts  `cbor:"5,keyasint,omitempty"`
}

// Param is a statement's parameter: nil, int64, float64, string or []byte.
type Param struct {
	Name  string `cbor:"1,keyasint,omitempty"`
	Value any    `cbor:"2,keyasint"`
}

// Facts are what SQLite's authorizer saw a statement do.
type Facts struct {
	// Kinds are one or more of "select", "insert", "update", "delete",
	// "create", "alter", "drop", "pragma" and "other".
	Kinds []string `cbor:"1,keyasint"`
	// Tables are the tables and views of it, lower case, each once.
	Tables []string `cbor:"2,keyasint,omitempty"`
	// Writes says that it needs the connection that writes.
	Writes bool `cbor:"3,keyasint,omitempty"`
}

// Response answers the request of the same number. One of Failure, Result and
// Facts is set for a statement, none or Failure for the others. The first
// message on each socket is the Response to request 0: that it is ready.
type Response struct {
	Number  uint64   `cbor:"1,keyasint"`
	Failure *Failure `cbor:"2,keyasint,omitempty"`
	Facts   *Facts   `cbor:"3,keyasint,omitempty"`
	Result  *Result  `cbor:"4,keyasint,omitempty"`
	// Open says that the connection is in a transaction afterwards.
	Open bool `cbor:"5,keyasint,omitempty"`
	// Lockdown tells what became of the process's lock-down. It is in the
	// writer's first message, and in no other.
	Lockdown []byte `cbor:"6,keyasint,omitempty"`
}

// Result is what a statement gave.
type Result struct {
	Columns []string `cbor:"1,keyasint,omitempty"`
	Rows    [][]any  `cbor:"2,keyasint,omitempty"`
	Changes int64    `cbor:"3,keyasint,omitempty"`
	// LastInsertRowID is set when the statement inserted a row.
	LastInsertRowID *int64 `cbor:"4,keyasint,omitempty"`
}

// Failure says why there is no result.
type Failure struct {
	// Code is one of the codes of package db, and "timeout" or "quota".
	Code string `cbor:"1,keyasint"`
	// Message is for the tenant.
	Message string `cbor:"2,keyasint"`
	// Engine is SQLite's own name of the error, if it has one.
	Engine string `cbor:"3,keyasint,omitempty"`
	// Detail is for the operator.
	Detail string `cbor:"4,keyasint,omitempty"`
}

// The codes of a Failure that are not those of a DatabaseError.
const (
	CodeTimeout = "timeout"
	CodeQuota   = "quota"
	CodeParams  = "params"
)

const (
	// MaxSQL is the bytes of one statement.
	MaxSQL = 100_000
	// MaxParams is the parameters of one statement.
	MaxParams = 10_000
	// MaxColumns is the columns of a result.
	MaxColumns = 500
	// MaxTables is the tables that one statement's facts name.
	MaxTables = 256
	// MaxTableName is the bytes of a table's name in facts.
	MaxTableName = 255
	// MaxMessage is the bytes of each text of a Failure.
	MaxMessage = 4 << 10
	// MaxRequest is the bytes of a request.
	MaxRequest = 4 << 20
	// maxRest is the bytes of a response beside its result.
	maxRest = 256 << 10
)

// valueSize is what a value counts beside its bytes; no value's encoding has
// more overhead.
const valueSize = 9

// Size is what a row counts towards Config.MaxResult: 9 bytes for each value,
// the bytes of text and blobs, and the names of the columns, which JavaScript
// repeats in every row.
func Size(columns []string, row []any) int {
	n := 0
	for _, c := range columns {
		n += len(c)
	}
	for _, v := range row {
		n += valueSize
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

// MaxResponse is the bytes of a response under c.
func (c *Config) MaxResponse() int { return c.MaxResult + maxRest }
