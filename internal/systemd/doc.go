// Package systemd is a service's side of systemd's protocols: sockets that the
// manager opened (sd_listen_fds), notifications (sd_notify) and the watchdog.
// Any other manager may speak them too. Without a manager nothing is done and
// nothing fails.
//
// It runs in the supervisor and trusts the environment that it was started
// with, from which it removes what was meant for it alone.
package systemd
