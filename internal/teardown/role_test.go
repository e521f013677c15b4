package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
)

// attached are the policies of roles, and as "profile X" the instance profiles that they are in.
type attached map[string][]string

func (a attached) ListInstanceProfilesForRole(_ context.Context, in *iam.ListInstanceProfilesForRoleInput, _ ...func(*iam.Options)) (*iam.ListInstanceProfilesForRoleOutput, error) {
	out := &iam.ListInstanceProfilesForRoleOutput{}
	for _, name := range a[*in.RoleName] {
		if profile, ok := strings.CutPrefix(name, "profile "); ok {
			out.InstanceProfiles = append(out.InstanceProfiles, iamtypes.InstanceProfile{InstanceProfileName: &profile})
		}
	}
	return out, nil
}

func (a attached) ListAttachedRolePolicies(_ context.Context, in *iam.ListAttachedRolePoliciesInput, _ ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error) {
	has, ok := a[*in.RoleName]
	if !ok {
		return nil, &iamtypes.NoSuchEntityException{}
	}
	out := &iam.ListAttachedRolePoliciesOutput{}
	for _, arn := range has {
		if name, ok := strings.CutPrefix(arn, "arn:aws:iam::aws:policy/"); ok {
			out.AttachedPolicies = append(out.AttachedPolicies, iamtypes.AttachedPolicy{PolicyArn: &arn, PolicyName: &name})
		}
	}
	return out, nil
}

func (a attached) ListRolePolicies(_ context.Context, in *iam.ListRolePoliciesInput, _ ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error) {
	out := &iam.ListRolePoliciesOutput{}
	for _, name := range a[*in.RoleName] {
		if !strings.HasPrefix(name, "arn:") && !strings.HasPrefix(name, "profile ") {
			out.PolicyNames = append(out.PolicyNames, name)
		}
	}
	return out, nil
}

func TestHoldOnRoles(t *testing.T) {
	const node = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
	account := made{templates: map[string]string{names.IdentityStack: `{"Resources": {
		"NodeRole": {"Properties": {"ManagedPolicyArns": [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy"}], "Policies": [{"PolicyName": "logs"}]}},
		"AdminRole": {"Properties": {}}}}`}}
	holds := holdings{names.IdentityStack: {
		{LogicalID: "NodeRole", ID: "opa-dev-node-role", Type: "AWS::IAM::Role"},
		{LogicalID: "AdminRole", ID: "opa-dev-admin-role", Type: "AWS::IAM::Role"},
		{LogicalID: "Table", ID: "opa-dev-audit", Type: "AWS::DynamoDB::Table"},
		{LogicalID: "Profile", ID: "ours", Type: "AWS::IAM::InstanceProfile"},
	}}
	cases := map[string]struct {
		reason string
		has    attached
		remedy []string
	}{
		"As declared": {reason: "the stack takes these away itself", has: attached{"opa-dev-node-role": {node, "logs"}, "opa-dev-admin-role": {}}},
		"Attached": {
			reason: "Systems Manager's quick setup does so (row 6.8)",
			has:    attached{"opa-dev-node-role": {node, "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}, "opa-dev-admin-role": {}},
			remedy: []string{"aws iam detach-role-policy --role-name opa-dev-node-role --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
		},
		"Inline": {
			reason: "another role's declaration does not count",
			has:    attached{"opa-dev-node-role": {node}, "opa-dev-admin-role": {"logs"}},
			remedy: []string{"aws iam delete-role-policy --role-name opa-dev-admin-role --policy-name logs"},
		},
		"Profile": {
			reason: "Karpenter and people put a node role into profiles of theirs; EKS' own goes with its node group, the stack's with the stack",
			has:    attached{"opa-dev-node-role": {node, "profile eks-08c968da-2d88-0096-4c82-1ee57490a6af", "profile ours", "profile opa-dev-cluster_123"}, "opa-dev-admin-role": {}},
			remedy: []string{"aws iam remove-role-from-instance-profile --role-name opa-dev-node-role --instance-profile-name opa-dev-cluster_123"},
		},
		"Gone": {reason: "a role that was deleted by hand stops nothing", has: attached{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := holdOnRoles(t.Context(), tc.has, account, holds)
			if err != nil {
				t.Fatal(err)
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
