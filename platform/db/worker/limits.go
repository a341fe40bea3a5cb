package worker

import (
	"strconv"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

const (
	pageSize = 4096
	// maxValue is the bytes of one value.
	maxValue = 256 << 10
	// busyTimeout is how long a statement waits for a lock that another program
	// holds, looking again after each busyPause.
	busyTimeout = time.Second
	busyPause   = 5 * time.Millisecond
)

var busyMilliseconds = strconv.FormatInt(busyTimeout.Milliseconds(), 10)

// limits of each connection (sqlite.org/c3ref/c_limit_attached.html).
var limits = map[int]int{
	lib.SQLITE_LIMIT_LENGTH:              maxValue,
	lib.SQLITE_LIMIT_SQL_LENGTH:          wire.MaxSQL,
	lib.SQLITE_LIMIT_COLUMN:              wire.MaxColumns,
	lib.SQLITE_LIMIT_EXPR_DEPTH:          100,
	lib.SQLITE_LIMIT_COMPOUND_SELECT:     50,
	lib.SQLITE_LIMIT_VDBE_OP:             25_000,
	lib.SQLITE_LIMIT_FUNCTION_ARG:        32,
	lib.SQLITE_LIMIT_ATTACHED:            0,
	lib.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
	lib.SQLITE_LIMIT_VARIABLE_NUMBER:     wire.MaxParams,
	lib.SQLITE_LIMIT_TRIGGER_DEPTH:       10,
	lib.SQLITE_LIMIT_WORKER_THREADS:      0,
}
