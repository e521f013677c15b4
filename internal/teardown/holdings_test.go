package teardown

import (
	"context"
	"strings"
	"testing"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var names = environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})

// made is an account with these stacks, and what they hold.
type made struct {
	stacks    map[string]stack.Description
	resources map[string][]stack.Resource
	templates map[string]string
}

func (m made) Describe(_ context.Context, name string) (stack.Description, bool, error) {
	d, ok := m.stacks[name]
	return d, ok, nil
}

func (m made) Resources(_ context.Context, name string) ([]stack.Resource, error) {
	return m.resources[name], nil
}

func (m made) Template(_ context.Context, name string) (string, error) { return m.templates[name], nil }

const (
	stackID = "arn:aws:cloudformation:eu-west-1:222222222222:stack/x/1"
	keyOne  = "arn:aws:kms:eu-west-1:222222222222:key/one"
	keyTwo  = "arn:aws:kms:eu-west-1:222222222222:key/two"
)

func TestReadStacks(t *testing.T) {
	type want struct {
		code   fault.Code
		text   string
		survey environment.Survey
	}
	cases := map[string]struct {
		reason string
		made   made
		want   want
	}{
		"Nothing": {reason: "an environment that was never made"},
		"Whole": {
			reason: "outputs and resources say the same, once",
			made: made{
				stacks: map[string]stack.Description{
					names.NetworkStack:  {StackID: stackID, Status: cfn.StackStatusCreateComplete, Outputs: map[string]string{"VpcId": "vpc-1"}},
					names.IdentityStack: {StackID: stackID, Status: cfn.StackStatusCreateComplete, Outputs: map[string]string{"SecretsKeyArn": keyOne, "ClusterAdminRoleArn": "arn:admin"}},
				},
				resources: map[string][]stack.Resource{
					names.NetworkStack:  {{LogicalID: "Vpc", ID: "vpc-1", Type: "AWS::EC2::VPC"}},
					names.IdentityStack: {{LogicalID: "SecretsKey", ID: "one", Type: "AWS::KMS::Key"}},
				},
			},
			want: want{survey: environment.Survey{VPCID: "vpc-1", KeyARNs: []string{keyOne}, SecretsKeyARN: keyOne, ClusterAdminRoleARN: "arn:admin"}},
		},
		"Half made": {
			reason: "a stack that was never finished has no outputs, and its VPC and key are there all the same",
			made: made{
				stacks: map[string]stack.Description{
					names.NetworkStack:  {StackID: stackID, Status: cfn.StackStatusCreateFailed},
					names.IdentityStack: {StackID: stackID, Status: cfn.StackStatusRollbackComplete},
				},
				resources: map[string][]stack.Resource{
					names.NetworkStack:  {{LogicalID: "Vpc", ID: "vpc-1", Type: "AWS::EC2::VPC"}},
					names.IdentityStack: {{LogicalID: "SecretsKey", ID: "one", Type: "AWS::KMS::Key"}, {LogicalID: "AuditKey", ID: "two", Type: "AWS::KMS::Key"}},
				},
			},
			want: want{survey: environment.Survey{VPCID: "vpc-1", KeyARNs: []string{keyOne, keyTwo}, SecretsKeyARN: keyOne, AuditKeyARN: keyTwo}},
		},
		"Protected": {
			reason: "the removal lifts it, and says so (row 6.16)",
			made: made{stacks: map[string]stack.Description{
				names.NetworkStack: {StackID: stackID, Status: cfn.StackStatusCreateComplete, Protected: true},
				names.ClusterStack: {StackID: stackID, Status: cfn.StackStatusCreateComplete},
			}},
			want: want{survey: environment.Survey{Protected: []string{"stack " + names.NetworkStack}}},
		},
		"Existing VPC": {
			reason: "it is no resource of the stack",
			made: made{stacks: map[string]stack.Description{names.NetworkStack: {
				StackID: stackID, Status: cfn.StackStatusCreateComplete,
				Parameters: map[string]string{"VpcId": "vpc-9", "TaggedSubnets": "subnet-1=kubernetes.io/role/elb"}, Outputs: map[string]string{"VpcId": "vpc-9"},
			}}},
			want: want{survey: environment.Survey{TaggedSubnets: "subnet-1=kubernetes.io/role/elb"}},
		},
		"At work": {
			reason: "an execution was stopped and its stacks move on (row 6.7)",
			made: made{stacks: map[string]stack.Description{
				names.NetworkStack: {StackID: stackID, Status: cfn.StackStatusCreateInProgress},
				names.ClusterStack: {StackID: stackID, Status: cfn.StackStatusUpdateRollbackInProgress},
			}},
			want: want{code: fault.InProgress, text: names.NetworkStack + " CREATE_IN_PROGRESS, " + names.ClusterStack + " UPDATE_ROLLBACK_IN_PROGRESS"},
		},
		"Being deleted": {
			reason: "what goes anyway is not waited for, least of all the stack that has begun this deletion",
			made: made{stacks: map[string]stack.Description{
				names.NetworkStack:  {StackID: stackID, Status: cfn.StackStatusDeleteInProgress},
				names.ProviderStack: {StackID: stackID, Status: cfn.StackStatusDeleteInProgress},
			}},
		},
		"Provider updated": {
			reason: "it may wait for this very execution",
			made:   made{stacks: map[string]stack.Description{names.ProviderStack: {StackID: stackID, Status: cfn.StackStatusUpdateInProgress}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got environment.Survey
			_, err := readStacks(t.Context(), tc.made, names, &got)
			if code := fault.CodeOf(err); code != tc.want.code || err != nil && !strings.Contains(err.Error(), tc.want.text) {
				t.Fatalf("%s: got %q (%v), want %q %s", tc.reason, code, err, tc.want.code, tc.want.text)
			}
			if err != nil {
				return
			}
			if len(got.Stacks) != len(tc.made.stacks) {
				t.Errorf("%s: %d stacks, want %d", tc.reason, len(got.Stacks), len(tc.made.stacks))
			}
			got.Stacks = nil
			if diff := cmp.Diff(tc.want.survey, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
