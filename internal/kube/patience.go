package kube

import (
	"sync"
	"time"
)

const (
	// defaultPatience bounds the retries of one call.
	defaultPatience = 30 * time.Second
	// defaultUnauthorizedPatience bounds the retries after a 401. A new token is always tried: the
	// one before can have been signed by a session that STS does not know everywhere yet. What takes
	// longer is a principal that the cluster does not know, and that is said at once: the caller who
	// has just made its access entry (which takes up to 30 s; aws-traps.md, row 5.5) repeats the request.
	defaultUnauthorizedPatience = 3 * time.Second
	// oddPatience bounds the retries after an internal error that is not known to pass, and those of a kind
	// that the API server does not serve: another one than answered before may not know it yet.
	oddPatience = 5 * time.Second

	firstDelay = 100 * time.Millisecond
	lastDelay  = 3 * time.Second
)

// Patience bounds the time that passes with calls that fail in a way that time may cure, waiting
// included. A zero stands for the client's own.
type Patience struct {
	// Transient is for network errors, throttling, and an API server or webhook that is not ready.
	Transient time.Duration
	// Unauthorized is for a principal that the cluster does not know, or not yet.
	Unauthorized time.Duration
}

// With returns a client with the same connection for one request, all of whose calls together have
// that patience. Without it a manifest of many objects would wait for each of them anew.
func (c *Client) With(patience Patience) *Client {
	own := *c
	if patience.Transient > 0 {
		own.patience.Transient = patience.Transient
	}
	if patience.Unauthorized > 0 {
		own.patience.Unauthorized = patience.Unauthorized
	}
	own.spent, own.listed = &spent{}, newAllowance()
	return &own
}

// spent is the time that failed calls took, by why they failed.
type spent struct {
	mu                           sync.Mutex
	transient, unauthorized, odd time.Duration
}

// take adds to a class, and reports false when that is more than there may be.
func (s *spent) take(class *time.Duration, more, most time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *class+more > most {
		return false
	}
	*class += more
	return true
}
