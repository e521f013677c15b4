package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

func TestAs(t *testing.T) {
	conflict := fault.New(fault.Conflict, "taken by %s", "x").WithField("/name").WithNext("wait for %s", "x")
	cases := map[string]struct {
		reason string
		err    error
		want   fault.Error
	}{
		"Itself":       {"a fault stays one", conflict, fault.Error{Code: "Conflict", Message: "taken by x", Field: "/name", Next: "wait for x"}},
		"Wrapped":      {"found below other errors", fmt.Errorf("lock: %w", conflict), fault.Error{Code: "Conflict", Message: "taken by x", Field: "/name", Next: "wait for x"}},
		"Outermost":    {"who classifies last knows most", fault.Wrap(fault.Transient, conflict, "again"), fault.Error{Code: "Transient", Message: "again: Conflict: taken by x"}},
		"Unclassified": {"an error that nobody classified is a defect", io.ErrUnexpectedEOF, fault.Error{Code: "Internal", Message: "unexpected EOF"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := *fault.As(tc.err)
			got.Err = nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestIs(t *testing.T) {
	err := fmt.Errorf("read: %w", fault.Wrap(fault.Transient, io.ErrUnexpectedEOF, "cannot read"))
	cases := map[string]struct {
		reason string
		target error
		want   bool
	}{
		"Class":   {"a code without message asks for the class", &fault.Error{Code: fault.Transient}, true},
		"Other":   {"another class", &fault.Error{Code: fault.Conflict}, false},
		"Message": {"a fault with a message is no class", fault.New(fault.Transient, "cannot read"), false},
		"Cause":   {"the cause is kept", io.ErrUnexpectedEOF, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := errors.Is(err, tc.target); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
	if got := fault.CodeOf(nil); got != "" {
		t.Errorf("no error has the code %q", got)
	}
}
