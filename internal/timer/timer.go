// Package timer lets time pass for as long as a context lives. It must not know what is waited for.
package timer

import (
	"context"
	"time"
)

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
