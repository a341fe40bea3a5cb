package sandbox

import (
	"fmt"
	"slices"

	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// maxRejections bounds how many rejections are reported one by one.
const maxRejections = 16

// rejections are the promises that were rejected and that nothing has handled
// yet.
type rejections struct {
	list   []rejection
	unkept int // beyond maxRejections
}

type rejection struct{ promise, reason quickjs.Value }

// note is told by the engine of a promise that was rejected while nothing
// handled it, and of one that is handled after all. The values are held until
// they are reported: another promise must not get this one's address.
func (rs *rejections) note(inst *quickjs.Instance, promise, reason quickjs.Value, handled bool) {
	if handled {
		n := slices.IndexFunc(rs.list, func(r rejection) bool { return r.promise == promise })
		if n < 0 {
			rs.unkept = max(rs.unkept-1, 0)
			return
		}
		rs.list[n].drop(inst)
		rs.list = slices.Delete(rs.list, n, n+1)
		return
	}
	if len(rs.list) == maxRejections {
		rs.unkept++
		return
	}
	for _, v := range []quickjs.Value{promise, reason} {
		if _, err := inst.Dup(v); err != nil {
			return // the instance is condemned
		}
	}
	rs.list = append(rs.list, rejection{promise, reason})
}

// drop lets a rejection go. An error condemns the instance, which its next call
// tells.
func (r rejection) drop(inst *quickjs.Instance) {
	_ = inst.Free(r.promise)
	_ = inst.Free(r.reason)
}

// report logs those that nothing has handled to the end, but for those that
// are told otherwise, and forgets all.
func (rs *rejections) report(inst *quickjs.Instance, told func(rejection) bool, describe func(*quickjs.Exception) *thrown, log func(string)) {
	for _, r := range rs.list {
		if inst.Condemned() {
			return
		}
		if !told(r) {
			log("Uncaught (in promise) " + describe(&quickjs.Exception{Value: r.reason}).text())
		}
		r.drop(inst)
	}
	if rs.unkept > 0 {
		log(fmt.Sprintf("Uncaught (in promise): %d more rejections", rs.unkept))
	}
	*rs = rejections{}
}
