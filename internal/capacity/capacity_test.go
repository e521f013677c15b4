package capacity

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

var _ reader = (*eks.Client)(nil)

// state is an environment whose cluster is made.
func state(ami string) environment.State {
	request := environment.Request{
		Prefix: "opa", Name: "dev", NodeType: environment.NodeTypeManaged, InstanceType: "m5.large", AMIType: ami,
		NodeGroupMinSize: 2, NodeGroupDesiredSize: 3, NodeGroupMaxSize: 6, NodeGroupDiskSize: 50,
	}.WithDefaults()
	return environment.State{
		Request:  request,
		Names:    environment.NamesOf(request),
		Network:  &environment.Network{PrivateSubnetIDs: []string{"subnet-3", "subnet-4"}},
		Identity: &environment.Identity{NodeRoleARN: "arn:node", PodExecutionRoleARN: "arn:pods"},
		Cluster:  &environment.Cluster{Version: "1.36"},
	}
}

func TestParameters(t *testing.T) {
	managed := func(ami, device string) map[string]string {
		return map[string]string{
			"Prefix": "opa", "Name": "dev", "NodeRoleArn": "arn:node", "SubnetIds": "subnet-3,subnet-4", "InstanceType": "m5.large",
			"AmiType": ami, "KubernetesVersion": "1.36", "DiskDevice": device, "DiskSize": "50", "MinSize": "2", "DesiredSize": "4", "MaxSize": "6",
			"InstanceTypes": "", "CapacityType": "ON_DEMAND", "MaxUnavailable": "1", "MaxUnavailablePercentage": "",
		}
	}
	options := state("BOTTLEROCKET_ARM_64")
	options.Request.InstanceType, options.Request.InstanceTypes = "", []string{"m7g.large", "m6g.large"}
	options.Request.CapacityType, options.Request.NodeUpdate = "SPOT", environment.NodeUpdate{MaxUnavailablePercentage: 33}
	wanted := managed("BOTTLEROCKET_ARM_64", "/dev/xvdb")
	maps.Copy(wanted, map[string]string{
		"InstanceType": "", "InstanceTypes": "m7g.large,m6g.large", "CapacityType": "SPOT", "MaxUnavailable": "", "MaxUnavailablePercentage": "33",
	})
	cases := map[string]struct {
		reason, template string
		got, want        map[string]string
	}{
		"AL2023": {
			"the disk is the root", templates.CapacityManaged,
			ManagedParameters(state("AL2023_x86_64_STANDARD"), 4), managed("AL2023_x86_64_STANDARD", "/dev/xvda"),
		},
		"Bottlerocket": {
			"the disk is the data volume", templates.CapacityManaged,
			ManagedParameters(state("BOTTLEROCKET_ARM_64_FIPS"), 4), managed("BOTTLEROCKET_ARM_64_FIPS", "/dev/xvdb"),
		},
		"Options": {"several types are not the launch template's, and a percentage is no number", templates.CapacityManaged, ManagedParameters(options, 4), wanted},
		"Fargate": {
			"nothing of nodes", templates.CapacityFargate, FargateParameters(state("")),
			map[string]string{"Prefix": "opa", "Name": "dev", "PodExecutionRoleArn": "arn:pods", "SubnetIds": "subnet-3,subnet-4"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("%s: parameters: -want, +got:\n%s", tc.reason, diff)
			}
			var template struct{ Parameters map[string]any }
			if err := json.Unmarshal([]byte(tc.template), &template); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(template.Parameters)), slices.Sorted(maps.Keys(tc.got))); diff != "" {
				t.Errorf("parameters: -template, +stage:\n%s", diff)
			}
		})
	}
}

// Every parameter that may change is of a kind; that kinds travel apart is the engine's.
func TestKinds(t *testing.T) {
	want := slices.Sorted(maps.Keys(ManagedParameters(state(""), 1)))
	got := []string{"Name", "Prefix"} // never change
	for _, k := range kinds() {
		got = append(got, k.Parameters...)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// fakeEKS answers with one node group and one Fargate profile.
type fakeEKS struct {
	size   *int32
	status types.NodegroupStatus
	err    error
	issues []types.Issue
	pods   []types.FargateProfileIssue
}

func (f fakeEKS) ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error) {
	return &eks.ListNodegroupsOutput{Nodegroups: []string{"group"}}, f.err
}

func (f fakeEKS) DescribeNodegroup(context.Context, *eks.DescribeNodegroupInput, ...func(*eks.Options)) (*eks.DescribeNodegroupOutput, error) {
	return &eks.DescribeNodegroupOutput{Nodegroup: &types.Nodegroup{
		Status:        f.status,
		ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: f.size},
		Health:        &types.NodegroupHealth{Issues: f.issues},
	}}, f.err
}

func (f fakeEKS) ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error) {
	return &eks.ListFargateProfilesOutput{FargateProfileNames: []string{"profile"}}, f.err
}

func (f fakeEKS) DescribeFargateProfile(context.Context, *eks.DescribeFargateProfileInput, ...func(*eks.Options)) (*eks.DescribeFargateProfileOutput, error) {
	return &eks.DescribeFargateProfileOutput{FargateProfile: &types.FargateProfile{Health: &types.FargateProfileHealth{Issues: f.pods}}}, f.err
}

func TestDesiredSize(t *testing.T) {
	denied := errors.New("denied")
	cases := map[string]struct {
		reason, name string
		eks          fakeEKS
		want         int
		failed       bool
	}{
		"New":     {reason: "as requested", want: 3},
		"Gone":    {reason: "a group that somebody deleted", name: "group", eks: fakeEKS{err: &types.ResourceNotFoundException{}}, want: 3},
		"Live":    {reason: "the autoscaler's number stays", name: "group", eks: fakeEKS{size: aws.Int32(5)}, want: 5},
		"Above":   {reason: "no more than the maximum", name: "group", eks: fakeEKS{size: aws.Int32(8)}, want: 6},
		"Below":   {reason: "no fewer than the minimum", name: "group", eks: fakeEKS{size: aws.Int32(1)}, want: 2},
		"Rolling": {reason: "EKS starts new nodes before the old ones go", name: "group", eks: fakeEKS{size: aws.Int32(6), status: "UPDATING"}, want: 4},
		"Moved":   {reason: "it has ended", name: "group", eks: fakeEKS{size: aws.Int32(6), status: "ACTIVE"}, want: 6},
		"Unknown": {reason: "no number is no answer", name: "group", eks: fakeEKS{err: denied}, failed: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := desiredSize(t.Context(), tc.eks, state(""), tc.name, "4")
			if got != tc.want || (err != nil) != tc.failed {
				t.Errorf("%s: got %d, %v", tc.reason, got, err)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	join := types.Issue{Code: types.NodegroupIssueCodeNodeCreationFailure, Message: aws.String("Instances failed to join the kubernetes cluster"), ResourceIds: []string{"i-1"}}
	cases := map[string]struct {
		reason  string
		fault   *fault.Error
		eks     fakeEKS
		code    fault.Code
		message string
		next    string
	}{
		"Join": {
			"one message of EKS has ten causes", fault.New(fault.Failed, "stack failed"), fakeEKS{issues: []types.Issue{join}},
			fault.Failed, "stack failed; node group group reports NodeCreationFailure: Instances failed to join the kubernetes cluster (i-1)", "look in this order",
		},
		"Gone": {
			"the event says it and the group is gone", fault.New(fault.Failed, "stack failed: NodeCreationFailure"), fakeEKS{err: errors.New("gone")},
			fault.Failed, "stack failed: NodeCreationFailure", "look in this order",
		},
		"Moving": {
			"the rollback will take the group with it", fault.New(fault.InProgress, "stack moves"), fakeEKS{issues: []types.Issue{join}},
			fault.InProgress, "stack moves; node group group reports NodeCreationFailure", "",
		},
		"Quota": {
			"a full quota is a class of its own", fault.New(fault.Failed, "stack failed"), fakeEKS{issues: []types.Issue{{Code: types.NodegroupIssueCodeInstanceLimitExceeded, Message: aws.String("vCPUs")}}},
			fault.QuotaExceeded, "InstanceLimitExceeded: vCPUs", "raise the EC2 quota",
		},
		"Fargate": {
			"profiles have health too", fault.New(fault.Failed, "stack failed"), fakeEKS{pods: []types.FargateProfileIssue{{Code: types.FargateProfileIssueCodeInternalFailure, Message: aws.String("oops")}}},
			fault.Failed, "Fargate profile profile reports InternalFailure: oops", "",
		},
		"Throttled": {"not about capacity", fault.New(fault.Throttled, "slow down"), fakeEKS{issues: []types.Issue{join}}, fault.Throttled, "slow down", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := fault.As(explain(t.Context(), tc.eks, "cluster", tc.fault))
			if got.Code != tc.code || !strings.Contains(got.Message, tc.message) || !strings.Contains(got.Next, tc.next) {
				t.Errorf("%s: got %s, %q, next %q", tc.reason, got.Code, got.Message, got.Next)
			}
		})
	}
}

func TestNameIn(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:eks:us-east-1:222222222222:nodegroup/opa-dev-cluster/NodeGroup-ABC/8c1":      "NodeGroup-ABC",
		"arn:aws:eks:us-east-1:222222222222:fargateprofile/opa-dev-cluster/Profile-ABC/8c1-2": "Profile-ABC",
		"": "",
	} {
		if got := nameIn(arn); got != want {
			t.Errorf("nameIn(%s): got %s, want %s", arn, got, want)
		}
	}
}
