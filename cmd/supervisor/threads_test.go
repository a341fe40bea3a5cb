package main

import (
	"os"
	"testing"
)

func TestHoldThreads(t *testing.T) {
	const wanted = 100 // more than a test has
	holdThreads(wanted)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(threads) < wanted {
		t.Errorf("there are %d threads, want %d", len(threads), wanted)
	}
}
