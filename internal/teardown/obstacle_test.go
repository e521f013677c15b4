package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

type capacity struct{ groups, profiles []string }

func (c capacity) ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error) {
	if c.groups == nil {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException"}
	}
	return &eks.ListNodegroupsOutput{Nodegroups: c.groups}, nil
}

func (c capacity) ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error) {
	return &eks.ListFargateProfilesOutput{FargateProfileNames: c.profiles}, nil
}

// guarded is a cluster with this status and protection from deletion, or an answer instead of one.
type guarded struct {
	status     ekstypes.ClusterStatus
	protection *bool
	answer     error
}

func (g guarded) DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error) {
	if g.answer != nil {
		return nil, g.answer
	}
	return &eks.DescribeClusterOutput{Cluster: &ekstypes.Cluster{Status: g.status, DeletionProtection: g.protection}}, nil
}

func TestProtection(t *testing.T) {
	cases := map[string]struct {
		reason  string
		api     guarded
		refused bool
		code    fault.Code
	}{
		"Protected": {reason: "DeleteCluster would fail when capacity and add-ons are gone (row 1.16)", api: guarded{protection: aws.Bool(true)}, refused: true, code: fault.Conflict},
		"Not":       {reason: "as the template makes it", api: guarded{protection: aws.Bool(false)}},
		"Unsaid":    {reason: "EKS of before there was protection", api: guarded{}},
		"Gone":      {reason: "no cluster, nothing to protect", api: guarded{answer: &ekstypes.ResourceNotFoundException{Message: aws.String("No cluster found for name: opa-dev-cluster.")}}},
		"Forbidden": {reason: "what cannot be seen is not off", api: guarded{answer: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, code: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := inventory{names: names}.protection(t.Context(), tc.api)
			if err == nil {
				err = refuse(found)
			}
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if !tc.refused {
				return
			}
			got := fault.As(err)
			if !strings.Contains(got.Message, "the deletion protection of opa-dev-cluster") ||
				!strings.Contains(got.Next, "aws eks update-cluster-config --name opa-dev-cluster --no-deletion-protection") {
				t.Errorf("%s: %s; %s", tc.reason, got.Message, got.Next)
			}
		})
	}
}

func TestSettled(t *testing.T) {
	// Ref of a cluster is its name.
	ours := []stack.Resource{{ID: "opa-dev-cluster", Type: "AWS::EKS::Cluster"}}
	cases := map[string]struct {
		reason string
		api    guarded
		held   []stack.Resource
		code   fault.Code
		next   string
	}{
		"Active":   {reason: "the environment's, at rest", api: guarded{status: ekstypes.ClusterStatusActive}, held: ours},
		"Failed":   {reason: "half-made clusters go as well", api: guarded{status: ekstypes.ClusterStatusFailed}, held: ours},
		"Gone":     {reason: "deleted by hand", api: guarded{answer: &ekstypes.ResourceNotFoundException{Message: aws.String("No cluster found for name: opa-dev-cluster.")}}, held: ours},
		"Updating": {reason: "EKS refuses to delete it for so long (row 1.7)", api: guarded{status: ekstypes.ClusterStatusUpdating}, held: ours, code: fault.InProgress},
		"Leaving":  {reason: "its stack's deletion is joined", api: guarded{status: ekstypes.ClusterStatusDeleting}, held: ours},
		"Deleted by somebody": {
			reason: "what its deletion leaves is found when it has ended", api: guarded{status: ekstypes.ClusterStatusDeleting}, code: fault.InProgress,
		},
		"Somebody's": {
			reason: "a cluster of this name that was never the environment's", api: guarded{status: ekstypes.ClusterStatusActive},
			code: fault.Conflict, next: "compare prefix, name, account and region of the request",
		},
		"Left behind": {
			reason: "its key must not be scheduled for deletion while it lives (row 6.9)", api: guarded{status: ekstypes.ClusterStatusActive},
			held: []stack.Resource{{ID: "opa-dev-cluster/NodeGroup-1", Type: "AWS::EKS::Nodegroup"}},
			code: fault.Conflict, next: "aws eks delete-cluster --name opa-dev-cluster",
		},
		"Forbidden": {reason: "what cannot be seen is not gone", api: guarded{answer: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, code: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := inventory{names: names}.settled(t.Context(), tc.api, holdings{names.ClusterStack: tc.held})
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if tc.next != "" && !strings.Contains(fault.As(err).Next, tc.next) {
				t.Errorf("%s: next is %q, want %q in it", tc.reason, fault.As(err).Next, tc.next)
			}
		})
	}
}

func TestOtherCapacity(t *testing.T) {
	// Ref of a node group is "cluster/name", of a Fargate profile "cluster|name".
	group := stack.Resource{ID: "opa-dev-cluster/NodeGroup-1", Type: "AWS::EKS::Nodegroup"}
	profile := stack.Resource{ID: "opa-dev-cluster|Profile-1", Type: "AWS::EKS::FargateProfile"}
	second := stack.Resource{ID: "opa-dev-cluster|Profile-2", Type: "AWS::EKS::FargateProfile"}
	cases := map[string]struct {
		reason  string
		api     capacity
		ours    []stack.Resource
		remedy  []string
		failing fault.Code
	}{
		"Ours":     {reason: "what the stack holds goes with it", api: capacity{[]string{"NodeGroup-1"}, nil}, ours: []stack.Resource{group}},
		"Several":  {reason: "several profiles of one stack are no reason to stop", api: capacity{[]string{}, []string{"Profile-1", "Profile-2"}}, ours: []stack.Resource{profile, second}},
		"Added":    {reason: "EKS deletes no cluster with a node group (row 6.6)", api: capacity{[]string{"NodeGroup-1", "gpu"}, nil}, ours: []stack.Resource{group}, remedy: []string{"aws eks delete-nodegroup --cluster-name opa-dev-cluster --nodegroup-name gpu"}},
		"Instead":  {reason: "as many as ours, but not ours", api: capacity{[]string{}, []string{"team"}}, ours: []stack.Resource{group}, remedy: []string{"aws eks delete-fargate-profile --cluster-name opa-dev-cluster --fargate-profile-name team"}},
		"No stack": {reason: "the stack was deleted by hand, and somebody has made others", api: capacity{[]string{"a"}, []string{}}, remedy: []string{"aws eks delete-nodegroup --cluster-name opa-dev-cluster --nodegroup-name a"}},
		"Refused":  {reason: "what cannot be seen is not none", failing: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := inventory{names: names}.otherCapacity(t.Context(), tc.api, holdings{names.CapacityStack: tc.ours})
			if code := fault.CodeOf(err); code != tc.failing {
				t.Errorf("%s: got %q (%v)", tc.reason, code, err)
			}
			var remedies []string
			for _, o := range got {
				remedies = append(remedies, o.remedy)
			}
			if diff := cmp.Diff(tc.remedy, remedies); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	if err := refuse(nil); err != nil {
		t.Errorf("nothing is in the way, and yet: %v", err)
	}
	err := refuse([]obstacle{
		{what: "subnet subnet-1", why: "the VPC is in use by"}, {what: "node group gpu", why: "EKS has", remedy: "aws eks delete"},
		{what: "subnet subnet-2", why: "the VPC is in use by"},
	})
	f := fault.As(err)
	if f.Code != fault.Conflict || !strings.Contains(f.Message, "EKS has: node group gpu. the VPC is in use by: subnet subnet-1, subnet subnet-2") {
		t.Errorf("got %s: %s", f.Code, f.Message)
	}
	if want := "(aws eks delete), then start the same delete again; nothing was removed so far"; !strings.Contains(f.Next, want) {
		t.Errorf("%q lacks %q", f.Next, want)
	}
}
