package tests

import (
	"testing"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

func TestMain(m *testing.M) { daemon.Main(m) }
