package stack_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// TestFailure meets stacks that failed in this very run, which are reported and not repaired.
func TestFailure(t *testing.T) {
	create, update := tokenOf(t, spec(), "create"), tokenOf(t, spec(), "update")
	failed := "stack " + name + " ended as ROLLBACK_COMPLETE: AWS::EC2::Subnet Subnet failed: "
	old := event(create, "Older", "CREATE_FAILED", "an older one")
	old.Timestamp = aws.Time(before)

	cases := map[string]struct {
		reason  string
		status  types.StackStatus
		pages   [][]types.StackEvent
		code    fault.Code
		message string
	}{
		"FirstFailed": {
			reason: "the oldest failure is the cause: neither the later one, nor a cancelled sibling, nor the failed rollback",
			pages: [][]types.StackEvent{
				{event(create, name, "ROLLBACK_COMPLETE", ""), event(create, "Vpc", "DELETE_FAILED", "in use"), event(create, "Table", "CREATE_FAILED", "late")},
				{event(create, "Subnet", "CREATE_FAILED", "bad CIDR"), event(create, "Gateway", "CREATE_FAILED", "Resource creation cancelled"), event(create, "Subnet", "CREATE_IN_PROGRESS", "")},
				{event(create, name, "CREATE_IN_PROGRESS", "User Initiated")},
			},
			code: fault.Failed, message: failed + "bad CIDR",
		},
		"OtherOperations": {
			reason: "what other runs did to the stack is not the cause, nor what is older than the run",
			pages:  [][]types.StackEvent{{event(create, "Subnet", "CREATE_FAILED", "bad CIDR"), event("Console-1", "Vpc", "CREATE_FAILED", "x"), old}},
			code:   fault.Failed, message: failed + "bad CIDR",
		},
		"OnlyStack": {
			reason: "without a failed resource the stack's own words count",
			pages: [][]types.StackEvent{{event(create, name, "ROLLBACK_FAILED", "later"), event(create, "Subnet", "CREATE_FAILED", "Resource creation cancelled."),
				event(create, name, "ROLLBACK_IN_PROGRESS", "User Initiated")}},
			code: fault.Failed, message: "stack " + name + " ended as ROLLBACK_COMPLETE: User Initiated",
		},
		"NoReason": {
			reason: "a cause is always named", pages: [][]types.StackEvent{{event(create, "Subnet", "CREATE_IN_PROGRESS", "")}},
			code: fault.Failed, message: "stack " + name + " ended as ROLLBACK_COMPLETE: CloudFormation gives no reason",
		},
		"Access": {
			reason: "handler error code", pages: [][]types.StackEvent{{event(create, "Subnet", "CREATE_FAILED", "no (HandlerErrorCode: AccessDenied)")}},
			code: fault.AccessDenied, message: failed + "no (HandlerErrorCode: AccessDenied)",
		},
		"Quota": {
			reason: "service code", pages: [][]types.StackEvent{{event(create, "Subnet", "CREATE_FAILED", "AddressLimitExceeded: 5")}},
			code: fault.QuotaExceeded, message: failed + "AddressLimitExceeded: 5",
		},
		"Exists": {
			reason: "service words", pages: [][]types.StackEvent{{event(create, "Subnet", "CREATE_FAILED", "it already exists")}},
			code: fault.Conflict, message: failed + "it already exists",
		},
		"CreateFailed": {
			reason: "failed without a rollback", status: "CREATE_FAILED", pages: [][]types.StackEvent{{event(create, "Subnet", "CREATE_FAILED", "x")}},
			code: fault.Failed, message: "stack " + name + " ended as CREATE_FAILED: AWS::EC2::Subnet Subnet failed: x",
		},
		"Update": {
			reason: "a failed update is not tried again", status: "UPDATE_ROLLBACK_COMPLETE", pages: [][]types.StackEvent{{event(update, "Subnet", "UPDATE_FAILED", "x")}},
			code: fault.Failed, message: "stack " + name + " ended as UPDATE_ROLLBACK_COMPLETE: AWS::EC2::Subnet Subnet failed: x",
		},
		"UpdateRollback": {
			reason: "the update is the cause, not its rollback", status: "UPDATE_ROLLBACK_FAILED",
			pages: [][]types.StackEvent{{event(update, "Vpc", "UPDATE_FAILED", "y"), event(update, "Subnet", "UPDATE_FAILED", "x")}},
			code:  fault.Failed, message: "stack " + name + " ended as UPDATE_ROLLBACK_FAILED: AWS::EC2::Subnet Subnet failed: x",
		},
		"Continued": {
			reason: "a rollback is continued once", status: "UPDATE_ROLLBACK_FAILED",
			pages: [][]types.StackEvent{{event(tokenOf(t, spec(), "continue"), "Subnet", "UPDATE_FAILED", "x")}},
			code:  fault.Failed, message: "stack " + name + " ended as UPDATE_ROLLBACK_FAILED: AWS::EC2::Subnet Subnet failed: x",
		},
		"Delete": {
			reason: "a stack is replaced once", status: "DELETE_FAILED",
			pages: [][]types.StackEvent{{event(tokenOf(t, spec(), "delete"), "Subnet", "DELETE_FAILED", "in use")}},
			code:  fault.Failed, message: "stack " + name + " ended as DELETE_FAILED: AWS::EC2::Subnet Subnet failed: in use",
		},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			if tc.status == "" {
				tc.status = "ROLLBACK_COMPLETE"
			}
			c := &cloud{looks: []*types.Stack{live(tc.status, cidr("x"))}, pages: tc.pages}
			_, err := c.engine(t).Converge(t.Context(), spec())
			if err == nil {
				t.Fatalf("%s: want a fault", tc.reason)
			}
			got := fault.As(err)
			if got.Code != tc.code || got.Next == "" {
				t.Errorf("%s: want %s and what to do, got %+v", tc.reason, tc.code, got)
			}
			if diff := cmp.Diff(tc.message, got.Message); diff != "" {
				t.Errorf("%s: message: -want +got:\n%s", tc.reason, diff)
			}
			if len(c.calls) != 0 {
				t.Errorf("%s: want no mutating call, got %v", tc.reason, c.calls)
			}
		})
	}
}

// What stands in the way of a deletion is told as that, in whatever form AWS says it. Nobody is told to retain a
// resource: it would be left behind, and nothing would name it.
func TestFailedDeletion(t *testing.T) {
	const (
		release = "remove what holds on to the resource, or what is in it, then start the same request again"
		wait    = "wait until the update has ended, then start the same request again; EKS also updates clusters by itself, and does not list that"
	)
	cases := map[string]struct {
		reason, words string
		code          fault.Code
		next          string
	}{
		"InUse":     {"EKS' code for what is in use is also its code for what exists", "Cannot delete because cluster c currently has Fargate profile p in status DELETING (Service: Eks, Status Code: 409) ResourceInUseException", fault.Failed, release},
		"Updating":  {"time is what it takes", "ResourceInUseException: Cannot delete because cluster north-1 currently has an update in progress (Service: Eks, Status Code: 409)", fault.Failed, wait},
		"Dependent": {"EC2's words", "resource sg-1 has a dependent object (Service: Ec2, Status Code: 400)", fault.Failed, release},
		"NotEmpty":  {"a resource's own words", "The bucket you tried to delete is not empty", fault.Failed, release},
		"Access":    {"a refusal is still one", "User is not authorized to perform: ec2:DeleteVpc", fault.AccessDenied, "allow the action to the CloudFormation service role or the environment role, then start the same request again"},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			c := &cloud{looks: []*types.Stack{live("DELETE_FAILED")}, pages: [][]types.StackEvent{{event(tokenOf(t, spec(), "delete"), "Vpc", "DELETE_FAILED", tc.words)}}}
			_, err := c.engine(t).Converge(t.Context(), spec())
			got := fault.As(err)
			if got.Code != tc.code {
				t.Errorf("%s: got %v, want %s", tc.reason, err, tc.code)
			}
			if diff := cmp.Diff(tc.next, got.Next); diff != "" {
				t.Errorf("%s: what to do (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFreshRole(t *testing.T) {
	pages := [][]types.StackEvent{{event(tokenOf(t, spec(), "create"), "Cluster", "CREATE_FAILED",
		"Role could not be assumed because the trusted entity is not correct")}}
	c := &cloud{looks: []*types.Stack{live("ROLLBACK_COMPLETE"), nil, live("CREATE_COMPLETE", created(after))}, pages: pages}
	if _, err := c.engine(t).Converge(t.Context(), spec()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"DeleteStack", "CreateStack"}, c.calls); diff != "" {
		t.Errorf("the stack is made anew while the role is fresh: -want +got:\n%s", diff)
	}
	c = &cloud{looks: []*types.Stack{live("ROLLBACK_COMPLETE")}, pages: pages}
	e := c.engine(t)
	c.now = since.Add(3 * time.Minute)
	if _, err := e.Converge(t.Context(), spec()); fault.CodeOf(err) != fault.Failed {
		t.Errorf("an old role is a failure, got %v", err)
	}
}

// The words of EKS, Lambda, EC2 and IAM for a role or a policy that is not known everywhere yet.
func TestFreshRoleWords(t *testing.T) {
	for _, words := range []string{
		"Role could not be assumed because the trusted entity is not correct",
		"Role arn:aws:iam::222222222222:role/r does not exist",
		"Error in role params",
		"The role defined for the function cannot be assumed by Lambda.",
		"The provided execution role does not have permissions to call CreateNetworkInterface on EC2 (Service: Lambda, Status Code: 400)",
		"Unable to assume given IAM role: 'arn:aws:iam::222222222222:role/r' (Service: Ec2, Status Code: 400)",
		"Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal",
		"Invalid principal in policy: \"AWS\":\"arn:aws:iam::222222222222:role/r\" (HandlerErrorCode: InvalidRequest)",
	} {
		c := &cloud{
			looks: []*types.Stack{live("ROLLBACK_COMPLETE"), nil, live("CREATE_COMPLETE", created(after))},
			pages: [][]types.StackEvent{{event(tokenOf(t, spec(), "create"), "Function", "CREATE_FAILED", words)}},
		}
		if _, err := c.engine(t).Converge(t.Context(), spec()); err != nil {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestAPIErrors(t *testing.T) {
	cases := map[string]struct {
		call string
		err  error
		want fault.Code
	}{
		"Throttling":     {"DescribeStacks", apiError("Throttling", "Rate exceeded"), fault.Throttled},
		"ThrottledElse":  {"DescribeStacks", apiError("RequestThrottledException", "Rate exceeded"), fault.Throttled},
		"Access":         {"CreateStack", apiError("AccessDenied", "User x is not authorized"), fault.AccessDenied},
		"Capabilities":   {"CreateStack", &types.InsufficientCapabilitiesException{}, fault.Internal},
		"StackQuota":     {"CreateStack", &types.LimitExceededException{}, fault.QuotaExceeded},
		"Template":       {"CreateStack", apiError("ValidationError", "Template format error"), fault.Internal},
		"FreshRole":      {"CreateStack", apiError("ValidationError", "Role arn:x is invalid or cannot be assumed"), fault.Transient},
		"ExpiredSession": {"DescribeStacks", apiError("ExpiredToken", ""), fault.Transient},
		"ServiceCode":    {"DescribeStacks", apiError("ServiceUnavailable", ""), fault.Transient},
		"ServiceError":   {"DescribeStacks", apiError("ServiceUnavailableException", ""), fault.Transient},
		"NoAnswer":       {"DescribeStacks", context.DeadlineExceeded, fault.Transient},
		"ServiceStatus": {"DescribeStacks", &smithy.OperationError{Err: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusBadGateway}}, Err: apiError("UnknownError", ""),
		}}, fault.Transient},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			c := &cloud{looks: []*types.Stack{nil}, errs: map[string]error{tc.call: tc.err}}
			_, err := c.engine(t).Converge(t.Context(), spec())
			if got := fault.CodeOf(err); got != tc.want {
				t.Errorf("want %s, got %v", tc.want, err)
			}
		})
	}
}

// TestRedrivenState starts a run anew: the failure of the run before is repaired.
func TestRedrivenState(t *testing.T) {
	c := &cloud{
		looks: []*types.Stack{live("ROLLBACK_COMPLETE", created(after)), nil, live("CREATE_COMPLETE", created(after.Add(time.Minute)))},
		pages: [][]types.StackEvent{{event(tokenOf(t, spec(), "create"), "Subnet", "CREATE_FAILED", "x")}},
	}
	redriven := spec()
	redriven.Since = since.Add(time.Minute)
	got, err := c.engine(t).Converge(t.Context(), redriven)
	if diff := cmp.Diff([]string{"DeleteStack", "CreateStack"}, c.calls); err != nil || diff != "" {
		t.Errorf("err %v, calls: -want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff(stack.Outcome{Change: "created", StackID: id, Outputs: map[string]string{"VpcId": "vpc-1"}}, got); diff != "" {
		t.Errorf("outcome: -want +got:\n%s", diff)
	}
}
