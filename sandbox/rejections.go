package sandbox

import (
	"fmt"
	"slices"

	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// onRejection notes a promise that was rejected while nothing handled it. The
// values are held until they are reported: another promise must not get this
// one's address.
func (l *loader) onRejection(promise, reason quickjs.Value, handled bool) {
	if handled {
		n := slices.IndexFunc(l.rejections, func(r rejection) bool { return r.promise == promise })
		if n < 0 {
			l.unkept = max(l.unkept-1, 0)
			return
		}
		l.drop(l.rejections[n])
		l.rejections = slices.Delete(l.rejections, n, n+1)
		return
	}
	if len(l.rejections) == maxRejections {
		l.unkept++
		return
	}
	for _, v := range []quickjs.Value{promise, reason} {
		if _, err := l.inst.Dup(v); err != nil {
			return // the instance is condemned
		}
	}
	l.rejections = append(l.rejections, rejection{promise, reason})
}

// drop lets a rejection go. An error condemns the instance, which the next call
// tells.
func (l *loader) drop(r rejection) {
	_ = l.inst.Free(r.promise)
	_ = l.inst.Free(r.reason)
}

// reportRejections logs the rejections that nothing has handled when the top
// level has run, but for err, which is why it failed.
func (l *loader) reportRejections(err error) {
	thrown, failed := asException(err)
	for _, r := range l.rejections {
		if l.inst.Condemned() {
			return
		}
		if !failed || r.reason != thrown.Value {
			t := describe(l.inst, l.base.bridge, &quickjs.Exception{Value: r.reason})
			t.unshift(l.file, l.done.shifted)
			l.log("Uncaught (in promise) " + t.text())
		}
		l.drop(r)
	}
	if l.unkept > 0 {
		l.log(fmt.Sprintf("Uncaught (in promise): %d more rejections", l.unkept))
	}
	l.rejections, l.unkept = nil, 0
}
