package timer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/timer"
)

func TestWait(t *testing.T) {
	cases := map[string]struct {
		reason string
		ends   time.Duration
		took   time.Duration
		want   error
	}{
		"Whole": {"the context outlives it", time.Hour, time.Minute, nil},
		"Cut":   {"the context ends first, and says why", time.Second, time.Second, context.DeadlineExceeded},
		"Over":  {"there is no time left", 0, 0, context.DeadlineExceeded},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tc.ends)
				defer cancel()
				started := time.Now()
				if err := timer.Wait(ctx, time.Minute); !errors.Is(err, tc.want) {
					t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
				}
				if took := time.Since(started); took != tc.took {
					t.Errorf("%s: it took %s, want %s", tc.reason, took, tc.took)
				}
			})
		})
	}
}
