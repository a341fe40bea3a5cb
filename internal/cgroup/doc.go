// Package cgroup puts processes into control groups of their own (cgroup v2),
// below a directory that the operator, or systemd with Delegate=yes, has given
// to the supervisor.
//
//	PARENT/supervisor     the supervisor itself, if it was in PARENT: a group
//	                      with controllers has no processes of its own
//	PARENT/sandbox-N      one sandbox process
//	PARENT/database-N     one database process
//
// A process is started in its group, so there is no moment at which it is
// outside. What is written is read back. What a supervisor that was killed has
// left behind is removed by the next. It runs in the supervisor and imports
// nothing of ours.
package cgroup
