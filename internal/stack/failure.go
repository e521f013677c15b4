package stack

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// skew is by how much the clocks of Step Functions and CloudFormation may differ when old events
// are left unread.
const skew = 5 * time.Minute

// history is what the run has started on one stack: the events by kind of operation, newest first.
type history map[kind][]types.StackEvent

// history reads the run's operations from the stack's events: those mix all operations ever made,
// newest first, in pages (aws-traps.md, row 1.66). The newer DescribeEvents is not needed for it:
// what it alone knows, validations that failed before the first resource, is in the stack's own
// event as well, only shorter.
func (c *convergence) history(ctx context.Context, live Description) (history, error) {
	run, oldest := c.spec.run(), c.spec.Since.Add(-skew)
	past := history{}
	input := &cloudformation.DescribeStackEventsInput{StackName: &live.StackID}
	for {
		out, err := c.api.DescribeStackEvents(ctx, input)
		if err != nil {
			return nil, classify(err, "cloudformation:DescribeStackEvents", c.spec.Name)
		}
		for _, event := range out.StackEvents {
			if event.Timestamp != nil && event.Timestamp.Before(oldest) {
				return past, nil
			}
			if k, ok := startedBy(run, aws.ToString(event.ClientRequestToken)); ok {
				past[k] = append(past[k], event)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return past, nil
		}
		input = &cloudformation.DescribeStackEventsInput{StackName: &live.StackID, NextToken: out.NextToken}
	}
}

// started reports whether the run started an operation of kind k.
func (h history) started(k kind) bool { return len(h[k]) > 0 }

// cause is the first failure of an operation. Without a logical id it is the stack's own.
type cause struct {
	resourceType, logicalID, reason string
}

// last are the events of the run's last operation of kind k.
func (h history) last(k kind) []types.StackEvent {
	events := h[k]
	end := slices.IndexFunc(events, func(event types.StackEvent) bool {
		return aws.ToString(event.ClientRequestToken) != aws.ToString(events[0].ClientRequestToken)
	})
	if end < 0 {
		return events
	}
	return events[:end]
}

// cause finds the oldest failure of the run's last operation of kind k. Siblings that were cancelled
// because of it are no causes; what the stack says of itself stands in where no resource failed.
func (h history) cause(k kind) cause {
	var own cause
	for _, event := range slices.Backward(h.last(k)) {
		status, reason := string(event.ResourceStatus), aws.ToString(event.ResourceStatusReason)
		failed := strings.HasSuffix(status, "_FAILED")
		if aws.ToString(event.PhysicalResourceId) == aws.ToString(event.StackId) {
			if own.reason == "" && (failed || strings.HasSuffix(status, "ROLLBACK_IN_PROGRESS") || event.DetailedStatus == types.DetailedStatusValidationFailed) {
				own.reason = reason
			}
			continue
		}
		if failed && !cancelled(reason) {
			return cause{aws.ToString(event.ResourceType), aws.ToString(event.LogicalResourceId), reason}
		}
	}
	return own
}

// cancelled reports whether reason is that of a resource whose sibling failed: "Resource creation
// cancelled", "Resource update cancelled".
func cancelled(reason string) bool {
	return strings.HasPrefix(reason, "Resource ") && strings.HasSuffix(strings.TrimRight(reason, "."), " cancelled")
}

// freshRole reports whether the cause is a role that exists but is too new, it or its policies, to be
// known everywhere: EKS, Lambda, EC2 and IAM say so in these words, and DependsOn does not cure it (aws-traps.md, row 1.48). Events
// carry text only.
func (c cause) freshRole() bool {
	if strings.Contains(c.reason, "does not exist") && strings.Contains(strings.ToLower(c.reason), "role") {
		return true
	}
	return containsAny(c.reason,
		"Role could not be assumed because the trusted entity is not correct",
		"Error in role params",
		"doesn't have the Amazon EKS Managed Policies",
		"IAM role's policy must include",
		"The role defined for the function cannot be assumed by Lambda",
		"The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
		"Unable to assume given IAM role", // of a flow log
		"Misconfigured PodExecutionRole Trust Policy",
		"Invalid principal in policy",
	)
}

const (
	nextSame   = "remove the cause, then start the same request again; what other stages made is kept"
	nextRole   = "start the same request again: the role was too new to be known everywhere; if that does not help, check that the role exists and whom it trusts"
	nextAccess = "allow the action to the CloudFormation service role or the environment role, then start the same request again"
	nextQuota  = "raise the quota or free what fills it, then start the same request again"
	nextExists = "remove or rename the resource that exists already, then start the same request again"
	nextDelete = "remove what holds on to the resource, or what is in it, then start the same request again"
	nextUpdate = "wait until the update has ended, then start the same request again; EKS also updates clusters by itself, and does not list that"
)

// failure is the fault of a failed operation of the run.
func (c *convergence) failure(live Description, first cause) error {
	what := ""
	if first.logicalID != "" {
		what = first.resourceType + " " + first.logicalID + " failed: "
	}
	if first.reason == "" {
		first.reason = live.Reason
	}
	if first.reason == "" {
		first.reason = "CloudFormation gives no reason"
	}
	code, next := first.classify()
	if live.Status == types.StackStatusDeleteFailed {
		code, next = first.classifyDeletion()
	}
	return fault.New(code, "stack %s ended as %s: %s%s", c.spec.Name, live.Status, what, first.reason).WithNext("%s", next)
}

// classify finds the class of a resource's failure. Resource handlers add "HandlerErrorCode: …"
// to their text; older resources give the service's own code or words.
func (c cause) classify() (fault.Code, string) {
	switch {
	case c.freshRole():
		return fault.Failed, nextRole
	case containsAny(c.reason, "AccessDenied", "Access Denied", "not authorized", "UnauthorizedOperation", "UnauthorizedTaggingOperation"):
		return fault.AccessDenied, nextAccess
	case containsAny(c.reason, "LimitExceeded", "quota", "Quota"):
		return fault.QuotaExceeded, nextQuota
	case containsAny(c.reason, "AlreadyExists", "already exists", "ResourceInUseException"):
		return fault.Conflict, nextExists
	}
	return fault.Failed, nextSame
}

// classifyDeletion finds the class of a failed deletion. It asks first what holds on to the resource: some of
// the words are those of a creation that finds its name taken.
func (c cause) classifyDeletion() (fault.Code, string) {
	switch code, next := c.classify(); {
	case c.updating():
		return fault.Failed, nextUpdate
	case c.held(), code == fault.Failed:
		return fault.Failed, nextDelete
	default:
		return code, next
	}
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(s, word) })
}
