package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// thing is a resource that answers deletions in the order given, nil meaning that it is gone then.
type thing struct {
	name    string
	answers []string
	gone    bool
	asked   int
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
			if !t.gone {
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
					if thing.asked > 3 {
						t.Errorf("%s: %s was asked %d times to go", tc.reason, thing.name, thing.asked)
					}
				}
			}
		})
	}
}

// The tags are those of kubectl-protocol.md, section 4.9.
func TestOfCluster(t *testing.T) {
	cases := map[string]struct {
		reason string
		tags   map[string]string
		want   bool
	}{
		"Controller":   {"the load balancer controller's", map[string]string{"elbv2.k8s.aws/cluster": "opa-dev-cluster"}, true},
		"InTree":       {"Kubernetes' own controllers'", map[string]string{"kubernetes.io/cluster/opa-dev-cluster": "owned"}, true},
		"CNI":          {"the VPC CNI's", map[string]string{"cluster.k8s.amazonaws.com/name": "opa-dev-cluster"}, true},
		"EKS":          {"the group of the cluster itself", map[string]string{"aws:eks:cluster-name": "opa-dev-cluster"}, true},
		"Shared":       {"what a cluster merely uses is not its", map[string]string{"kubernetes.io/cluster/opa-dev-cluster": "shared"}, false},
		"OtherCluster": {"another's", map[string]string{"elbv2.k8s.aws/cluster": "opa-dev2-cluster", "kubernetes.io/cluster/opa-dev2-cluster": "owned"}, false},
		"Untagged":     {"somebody's", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ofCluster("opa-dev-cluster", tc.tags); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
}

// A volume is data: it goes only if Kubernetes was told to delete it.
func TestVolumesToKeep(t *testing.T) {
	drained := &environment.Drain{Reached: true, Volumes: []environment.PersistentVolume{{Name: "a", VolumeID: "vol-a"}, {Name: "b", VolumeID: "vol-b"}}}
	drained.Kept = []environment.Leftover{{What: "volume vol-b", Why: "its reclaim policy is Retain"}}
	cases := map[string]struct {
		reason   string
		drain    *environment.Drain
		found    []string
		orphaned []string
	}{
		"Asked": {
			reason: "what a PersistentVolume lets go goes, unless another keeps it; what none speaks of may be somebody's whose PersistentVolume is gone",
			drain:  drained, found: []string{"volume vol-a"}, orphaned: []string{"volume vol-c"},
		},
		"None": {
			reason: "a cluster without PersistentVolumes lets nothing go",
			drain:  &environment.Drain{Reached: true}, orphaned: []string{"volume vol-a", "volume vol-b", "volume vol-c"},
		},
		"Broke off": {
			reason: "what it noted before it lost the cluster is not all",
			drain:  &environment.Drain{Volumes: drained.Volumes}, orphaned: []string{"volume vol-a", "volume vol-b", "volume vol-c"},
		},
		"No drain": {reason: "there was no such stage", orphaned: []string{"volume vol-a", "volume vol-b", "volume vol-c"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			k := volumesToKeep(tc.drain)
			find := k.allowed(finderOf(&thing{name: "volume vol-a"}, &thing{name: "volume vol-b"}, &thing{name: "volume vol-c"}))
			var got, orphaned []string
			for range 2 { // a sweep looks again, and that is no reason to say it twice
				items, err := find(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got = nil
				for _, i := range items {
					got = append(got, i.what)
				}
			}
			for _, l := range k.orphaned {
				orphaned = append(orphaned, l.What)
				if !strings.HasSuffix(l.Why, "; if nobody needs it: aws ec2 delete-volume --volume-id "+strings.TrimPrefix(l.What, "volume ")) {
					t.Errorf("%s: %s is orphaned without the way out: %s", tc.reason, l.What, l.Why)
				}
			}
			if diff := cmp.Diff(tc.found, got); diff != "" {
				t.Errorf("%s: removed (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.orphaned, orphaned); diff != "" {
				t.Errorf("%s: orphaned (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
