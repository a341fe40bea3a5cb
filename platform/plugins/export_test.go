package plugins

import "time"

// Impatient makes the checks of plugins' health frequent for one test.
func Impatient(every, timeout time.Duration) (restore func()) {
	e, t := healthEvery, healthTimeout
	healthEvery, healthTimeout = every, timeout
	return func() { healthEvery, healthTimeout = e, t }
}

// Accept is how a plugin's result is checked.
var Accept = accept
