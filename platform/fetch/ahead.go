package fetch

import (
	"io"
	"sync"
	"time"
)

// ahead reads the beginning of a body on a goroutine of its own, so that a small
// body can be told from one that takes its time. It is the body, too: Read gives
// what was read ahead, and then the rest.
type ahead struct {
	body io.ReadCloser
	done chan struct{} // closed when the goroutine reads no more

	mu   sync.Mutex
	buf  []byte // all that was read ahead
	off  int    // how much of it Read has given
	err  error
	stop bool
}

// readAhead begins to read up to most bytes of body.
func readAhead(body io.ReadCloser, most int) *ahead {
	a := &ahead{body: body, done: make(chan struct{})}
	go a.run(most)
	return a
}

func (a *ahead) run(most int) {
	defer close(a.done)
	room := make([]byte, 4<<10)
	for n := 0; ; {
		read, err := a.body.Read(room[n:])
		n += read
		a.mu.Lock()
		a.buf, a.err = room[:n], err
		over := err != nil || n >= most || a.stop
		a.mu.Unlock()
		if over {
			return
		}
		if n == len(room) {
			larger := make([]byte, min(most, 4*n))
			copy(larger, room)
			room = larger
		}
	}
}

// wait waits for the end of the body, up to a time. With done, whole is all of
// it; otherwise, and without an error, what there is of it is for Read.
func (a *ahead) wait(most time.Duration) (whole []byte, done bool, err error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-timer.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop = true
	switch a.err {
	case nil:
		return nil, false, nil
	case io.EOF:
		return a.buf, true, nil
	default:
		return nil, false, a.err
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for {
		a.mu.Lock()
		n, err := copy(p, a.buf[a.off:]), a.err
		a.off += n
		a.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-a.done:
			a.mu.Lock()
			rest := a.off < len(a.buf) || a.err != nil
			a.mu.Unlock()
			if rest {
				continue // it came meanwhile
			}
			return a.body.Read(p)
		default:
			<-a.done
		}
	}
}

// Close ends a Read that is under way.
func (a *ahead) Close() error { return a.body.Close() }
