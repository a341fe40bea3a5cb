package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// All threads have the slice, and what they start has it too.
func TestShortenSlices(t *testing.T) {
	own, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if own.Runtime == 0 || own.Policy != unix.SCHED_NORMAL {
		t.Skip("this kernel, or this process's scheduling, has one slice for all")
	}
	shortenSlices()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if got := sliceOf(t, task.Name()); got != slice {
			t.Errorf("thread %s has %v, want %v", task.Name(), got, slice)
		}
	}
	child := exec.CommandContext(t.Context(), "cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if got := sliceOf(t, strconv.Itoa(child.Process.Pid)); got != slice {
		t.Errorf("a child has %v, want %v", got, slice)
	}
	in.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

func sliceOf(t *testing.T, id string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	attr, err := unix.SchedGetAttr(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(attr.Runtime)
}
