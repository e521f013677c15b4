package teardown

import (
	"context"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// A refusal is reported at once; it is no fault of the network.
func TestSweepRefusal(t *testing.T) {
	s := newSweep()
	find := func(context.Context) ([]item, error) {
		return []item{{what: "group", remove: func(context.Context) error { return refusal{"a rule names it"} }}}, nil
	}
	if err := s.run(t.Context(), find); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]environment.Leftover{{What: "group", Why: "a rule names it"}}, s.section().Orphaned); diff != "" {
		t.Errorf("orphaned (-want +got):\n%s", diff)
	}
}

// thing is a resource that answers deletions in the order given, nil meaning that it is gone then.
type thing struct {
	name    string
	answers []string
	gone    bool
	asked   int
	// stays is for a resource that is shown although its deletion was accepted.
	stays bool
}

func (t *thing) remove(context.Context) error {
	t.asked++
	answer := ""
	if len(t.answers) > 0 {
		answer, t.answers = t.answers[0], t.answers[1:]
	}
	if t.gone = answer == "" || answer == "InvalidGroup.NotFound"; answer == "" {
		return nil
	}
	return &smithy.GenericAPIError{Code: answer, Message: "no"}
}

func finderOf(things ...*thing) finder {
	return func(context.Context) ([]item, error) {
		var items []item
		for _, t := range things {
			if !t.gone || t.stays {
				items = append(items, item{what: t.name, remove: t.remove})
			}
		}
		return items, nil
	}
}

func TestSweep(t *testing.T) {
	type want struct {
		code     fault.Code
		removed  []string
		orphaned []environment.Leftover
	}
	cases := map[string]struct {
		reason string
		kinds  [][]*thing
		want   want
	}{
		"Nothing": {reason: "deleting twice is clean"},
		"Removed": {
			reason: "removed, and looked for again",
			kinds:  [][]*thing{{{name: "a"}, {name: "b"}}}, want: want{removed: []string{"a", "b"}},
		},
		"Waits": {
			reason: "a target group goes when its load balancer is gone",
			kinds:  [][]*thing{{{name: "balancer"}}, {{name: "group", answers: []string{"ResourceInUse"}}}},
			want:   want{removed: []string{"balancer", "group"}},
		},
		"Held": {
			reason: "what is held on to for longer is for the next look",
			kinds:  [][]*thing{{{name: "a"}, {name: "group", answers: []string{"DependencyViolation", "DependencyViolation", "DependencyViolation"}}}},
			want:   want{code: fault.InProgress, removed: []string{"a"}, orphaned: []environment.Leftover{{What: "group", Why: "api error DependencyViolation: no"}}},
		},
		"Refused": {
			reason: "what cannot be removed is reported, once, and stops nothing",
			kinds:  [][]*thing{{{name: "a", answers: []string{"AccessDenied", "AccessDenied"}}, {name: "b"}}},
			want:   want{removed: []string{"b"}, orphaned: []environment.Leftover{{What: "a", Why: "api error AccessDenied: no"}}},
		},
		"Gone": {
			reason: "somebody else was faster",
			kinds:  [][]*thing{{{name: "a", answers: []string{"InvalidGroup.NotFound"}}}}, want: want{removed: []string{"a"}},
		},
		"Still seen": {
			reason: "what AWS goes on to show was not removed, as far as anybody can tell",
			kinds:  [][]*thing{{{name: "a", stays: true}, {name: "b"}}},
			want:   want{code: fault.InProgress, removed: []string{"b"}, orphaned: []environment.Leftover{{What: "a", Why: "AWS has accepted its deletion and still shows it"}}},
		},
		"Throttled": {
			reason: "says nothing of the resource",
			kinds:  [][]*thing{{{name: "a", answers: []string{"Throttling"}}}}, want: want{code: fault.Throttled},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var finders []finder
			for _, kind := range tc.kinds {
				finders = append(finders, finderOf(kind...))
			}
			s := newSweep()
			err := s.run(t.Context(), finders...)
			if code := fault.CodeOf(err); code != tc.want.code {
				t.Errorf("%s: got %q (%v), want %q", tc.reason, code, err, tc.want.code)
			}
			section := s.section()
			if diff := cmp.Diff(append([]string{}, tc.want.removed...), section.Removed); diff != "" {
				t.Errorf("%s: removed (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(append([]environment.Leftover{}, tc.want.orphaned...), section.Orphaned); diff != "" {
				t.Errorf("%s: orphaned (-want +got):\n%s", tc.reason, diff)
			}
			for _, kind := range tc.kinds {
				for _, thing := range kind {
					if thing.asked > 2 {
						t.Errorf("%s: %s was asked %d times to go, without a pause", tc.reason, thing.name, thing.asked)
					}
				}
			}
		})
	}
}
