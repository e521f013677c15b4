package stack_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

func summary(logical, id string, status types.ResourceStatus) types.StackResourceSummary {
	return types.StackResourceSummary{
		LogicalResourceId: aws.String(logical), PhysicalResourceId: aws.String(id),
		ResourceType: aws.String("AWS::KMS::Key"), ResourceStatus: status,
	}
}

func TestResources(t *testing.T) {
	key := func(logical, id string) stack.Resource {
		return stack.Resource{LogicalID: logical, ID: id, Type: "AWS::KMS::Key"}
	}
	cases := map[string]struct {
		reason    string
		resources []types.StackResourceSummary
		err       error
		want      []stack.Resource
		code      fault.Code
	}{
		"Both pages": {
			reason: "what is there, wherever it is listed",
			resources: []types.StackResourceSummary{
				summary("A", "1", types.ResourceStatusCreateComplete), summary("B", "2", types.ResourceStatusUpdateComplete),
				summary("C", "3", types.ResourceStatusDeleteFailed),
			},
			want: []stack.Resource{key("A", "1"), key("B", "2"), key("C", "3")},
		},
		"Retained": {
			reason:    "a rollback left it, and nobody else knows of it",
			resources: []types.StackResourceSummary{summary("A", "1", types.ResourceStatusDeleteSkipped)},
			want:      []stack.Resource{key("A", "1")},
		},
		"Gone": {
			reason: "deleted, or never made",
			resources: []types.StackResourceSummary{
				summary("A", "1", types.ResourceStatusDeleteComplete), summary("B", "", types.ResourceStatusCreateFailed),
			},
		},
		"No stack": {reason: "deleting twice", err: apiError("ValidationError", "Stack with id x does not exist")},
		"Refused":  {reason: "the role is older than this version", err: apiError("AccessDenied", "no"), code: fault.AccessDenied},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &cloud{resources: tc.resources, errs: map[string]error{"ListStackResources": tc.err}}
			got, err := c.engine(t).Resources(t.Context(), "stack")
			if code := fault.CodeOf(err); code != tc.code {
				t.Errorf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
