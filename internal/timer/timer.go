// Package timer lets time pass for as long as a context lives. It must not know what is waited for.
package timer

import (
	"context"
	"time"
)

// Window is how long one invocation looks on at what is under way elsewhere before it hands back to the
// state machine, whose attempts are counted by it.
const Window = 25 * time.Second

// Wait returns after the duration, or with the context's error when that ends first.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
