// Package queue is the platform API queue.send, and the way in which what was
// sent is consumed.
//
// It runs in the supervisor. Each tenant has a JetStream stream of its own, in
// which a queue is a subject. A message is on disk before queue.send returns,
// and stays until a consumer has handled it, until it is a dead letter, or for
// the time that messages are kept. Delivery is at least once: a consumer that
// dies, or a supervisor that does, gets its messages again. They come in the order
// in which they were sent, except for those that are tried again.
//
// A message is a tenant's: it is bounded in size, number and rate, and never
// looked into.
package queue
