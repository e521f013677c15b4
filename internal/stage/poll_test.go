package stage_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func TestPoll(t *testing.T) {
	cases := map[string]struct {
		reason string
		// answers are look's, the last of them from then on.
		answers []fault.Code
		want    fault.Code
		took    time.Duration
	}{
		"Done":      {"what is done at once is not waited for", []fault.Code{""}, "", 0},
		"Later":     {"what goes on is looked at again", []fault.Code{"InProgress", "InProgress", ""}, "", 4 * time.Second},
		"Never":     {"an attempt lasts its window, so that the attempts last the state's patience", []fault.Code{"InProgress"}, "InProgress", 25 * time.Second},
		"Transient": {"another fault is for the state machine", []fault.Code{"InProgress", "Transient"}, "Transient", 2 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, looks := time.Now(), 0
				err := stage.Poll(t.Context(), func(context.Context) error {
					code := tc.answers[min(looks, len(tc.answers)-1)]
					looks++
					if code == "" {
						return nil
					}
					return fault.New(code, "m")
				})
				if got, took := fault.CodeOf(err), time.Since(start); got != tc.want || took != tc.took {
					t.Errorf("%s: %q after %s, want %q after %s", tc.reason, got, took, tc.want, tc.took)
				}
			})
		})
	}
}

func TestPollEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := stage.Poll(ctx, func(context.Context) error { return fault.New(fault.InProgress, "m") })
		if fault.CodeOf(err) != fault.InProgress || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
