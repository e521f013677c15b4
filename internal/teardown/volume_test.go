package teardown

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func volume(id string, tags ...string) types.Volume {
	return types.Volume{VolumeId: &id, Tags: tagList(tags...)}
}

// The driver's tags are those of its docs/tagging.md.
func TestVolumes(t *testing.T) {
	n := network{cluster: "opa-dev-cluster", api: &filled{volumes: []types.Volume{
		volume("vol-addon", "KubernetesCluster", "opa-dev-cluster", "kubernetes.io/cluster/opa-dev-cluster", "owned", "ebs.csi.aws.com/cluster", "true"),
		volume("vol-named", "ebs.csi.aws.com/cluster-name", "opa-dev-cluster", "ebs.csi.aws.com/cluster", "true"),
		volume("vol-plain", "ebs.csi.aws.com/cluster", "true", "CSIVolumeName", "pvc-1"),
		volume("vol-tagged", "kubernetes.io/cluster/opa-dev-cluster", "owned"),
		volume("vol-kept", "kubernetes.io/cluster/opa-dev-cluster", "owned"),
		volume("vol-shared", "kubernetes.io/cluster/opa-dev-cluster", "shared"),
		volume("vol-other", "KubernetesCluster", "opa-dev2-cluster", "kubernetes.io/cluster/opa-dev2-cluster", "owned"),
		volume("vol-nobody"),
	}}}
	items, err := n.volumes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var removed []string
	for _, i := range items {
		removed = append(removed, i.what)
	}
	if diff := cmp.Diff([]string{"volume vol-addon", "volume vol-named"}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	drain := &environment.Drain{Volumes: []environment.PersistentVolume{{Name: "pvc-1", VolumeID: "vol-plain"}, {Name: "pvc-2", VolumeID: "vol-addon"}, {Name: "pvc-3", VolumeID: "vol-went"}}}
	drain.Kept = []environment.Leftover{{What: "volume vol-kept", Why: "its reclaim policy is Retain"}}
	left, err := n.unclaimed(t.Context(), drain)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"volume vol-tagged": "kubernetes.io/cluster/opa-dev-cluster", "volume vol-plain": "PersistentVolume pvc-1"}
	for _, l := range left {
		if want[l.What] == "" || !strings.Contains(l.Why, want[l.What]) || !strings.Contains(l.Why, "aws ec2 delete-volume --volume-id "+strings.TrimPrefix(l.What, "volume ")) {
			t.Errorf("orphaned: %s, because %s", l.What, l.Why)
		}
		delete(want, l.What)
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v", want)
	}
}

// limited is EC2 with its limit of the values of all filters of a call.
type limited struct{ filled }

func (l *limited) DescribeVolumes(ctx context.Context, in *ec2.DescribeVolumesInput, opts ...func(*ec2.Options)) (*ec2.DescribeVolumesOutput, error) {
	values := 0
	for _, f := range in.Filters {
		values += len(f.Values)
	}
	if values > 200 {
		return nil, &smithy.GenericAPIError{Code: "FilterLimitExceeded", Message: "The maximum number of filter values specified on a single call is 200"}
	}
	return l.filled.DescribeVolumes(ctx, in, opts...)
}

// As many volumes as Drain notes are looked for.
func TestManyVolumes(t *testing.T) {
	drain := &environment.Drain{}
	for i := range maxVolumes {
		drain.Volumes = append(drain.Volumes, environment.PersistentVolume{Name: fmt.Sprint("pvc-", i), VolumeID: fmt.Sprint("vol-", i)})
	}
	n := network{cluster: "opa-dev-cluster", api: &limited{filled{volumes: []types.Volume{volume("vol-999", "CSIVolumeName", "pvc-999")}}}}
	left, err := n.unclaimed(t.Context(), drain)
	if err != nil || len(left) != 1 || left[0].What != "volume vol-999" {
		t.Errorf("got %v, %v", left, err)
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
