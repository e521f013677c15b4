package stack

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// planner is what the engine uses to look at an update without making it. Nothing executes what it
// makes: the environment role does not allow it.
type planner interface {
	CreateChangeSet(context.Context, *cloudformation.CreateChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error)
	DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error)
	DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error)
}

// cleanUp bounds the deletion of a change set after the context has ended.
const cleanUp = 5 * time.Second

// changeSet asks CloudFormation what an update of the live stack to the spec would change, and
// reports whether it would change anything. The change set is gone afterwards, except when it takes
// longer than this invocation waits: the next one finds it by its name.
func (c *convergence) changeSet(ctx context.Context, live Description, end time.Time) ([]environment.PlannedChange, bool, error) {
	name := tokenPrefix + "-plan-" + c.spec.run()
	_, err := c.api.CreateChangeSet(ctx, c.spec.changeSetInput(name, live))
	if err != nil && !isStarted(err) {
		return nil, false, classify(err, "cloudformation:CreateChangeSet", c.spec.Name)
	}
	set, err := c.readChangeSet(ctx, name, live, end)
	if fault.CodeOf(err) == fault.InProgress {
		return nil, false, err
	}
	deleteCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	_, deleteErr := c.api.DeleteChangeSet(deleteCtx, &cloudformation.DeleteChangeSetInput{StackName: &live.StackID, ChangeSetName: &name})
	switch {
	case err != nil:
		return nil, false, err
	case deleteErr != nil:
		return nil, false, classify(deleteErr, "cloudformation:DeleteChangeSet", c.spec.Name)
	case set.empty:
		return nil, false, nil
	}
	return set.changes, true, nil
}

// described is a change set that is at rest.
type described struct {
	changes []environment.PlannedChange
	// empty says that an update would be refused because there is nothing to do.
	empty bool
}

// readChangeSet waits until the change set is at rest and reads all of it.
func (c *convergence) readChangeSet(ctx context.Context, name string, live Description, end time.Time) (described, error) {
	input := &cloudformation.DescribeChangeSetInput{StackName: &live.StackID, ChangeSetName: &name, IncludePropertyValues: aws.Bool(true)}
	var set described
	for look := 0; ; {
		out, err := c.api.DescribeChangeSet(ctx, input)
		if awsfault.Gone(err) {
			return set, fault.Wrap(fault.Transient, err, "the change set of stack %s is not known yet, or not any more", c.spec.Name)
		}
		if err != nil {
			return set, classify(err, "cloudformation:DescribeChangeSet", c.spec.Name)
		}
		reason := aws.ToString(out.StatusReason)
		switch out.Status {
		case types.ChangeSetStatusCreatePending, types.ChangeSetStatusCreateInProgress:
			delay := c.options.Jitter(c.options.Delays[min(look, len(c.options.Delays)-1)])
			if look++; c.options.Now().Add(delay).After(end) || c.options.Wait(ctx, delay) != nil {
				return set, fault.New(fault.InProgress, "the change set of stack %s is being made", c.spec.Name)
			}
			continue
		case types.ChangeSetStatusCreateComplete:
		default:
			// An update without changes fails in these words (aws-traps.md, row 1.70).
			if containsAny(reason, "didn't contain changes", textNoUpdate) {
				return described{empty: true}, nil
			}
			return set, fault.New(fault.Failed, "CloudFormation cannot say what an update of stack %s changes: its change set is %s: %s", c.spec.Name, out.Status, reason)
		}
		for _, change := range out.Changes {
			if change.ResourceChange != nil {
				set.changes = append(set.changes, planned(*change.ResourceChange))
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return set, nil
		}
		input.NextToken = out.NextToken
	}
}

// changeSetInput asks what an update to s would change. The role is left to the stack's own, so that
// a plan hands no role over. A parameter that is not known yet keeps its value: CloudFormation checks
// the form of values.
func (s Spec) changeSetInput(name string, live Description) *cloudformation.CreateChangeSetInput {
	parameters := s.parameters()
	for i, p := range parameters {
		_, exists := live.Parameters[*p.ParameterKey]
		if exists && strings.Contains(*p.ParameterValue, environment.KnownAfterApply) {
			parameters[i] = types.Parameter{ParameterKey: p.ParameterKey, UsePreviousValue: aws.Bool(true)}
		}
	}
	return &cloudformation.CreateChangeSetInput{
		StackName:     &live.StackID,
		ChangeSetName: &name,
		ChangeSetType: types.ChangeSetTypeUpdate,
		Description:   aws.String("Made to be read by the operation plan, never executed"),
		TemplateBody:  &s.Template,
		Parameters:    parameters,
		Tags:          s.tags(),
		Capabilities:  s.capabilities(),
	}
}

// planned is a change of a change set in the words of a plan.
func planned(r types.ResourceChange) environment.PlannedChange {
	change := environment.PlannedChange{
		Action: environment.Modified,
		Type:   aws.ToString(r.ResourceType), Name: aws.ToString(r.LogicalResourceId), ID: aws.ToString(r.PhysicalResourceId),
	}
	switch {
	case r.Action == types.ChangeActionAdd:
		change.Action = environment.Added
	case r.Action == types.ChangeActionRemove:
		change.Action = environment.Removed
	case r.Replacement == types.ReplacementTrue:
		change.Action = environment.Replaced
	}
	for _, detail := range r.Details {
		if text := detailOf(detail.Target); text != "" && !slices.Contains(change.Details, text) {
			change.Details = append(change.Details, text)
		}
	}
	if r.Action == types.ChangeActionModify && r.Replacement == types.ReplacementConditional {
		change.Details = append(change.Details, "replaced if what it refers to changes")
	}
	if r.PolicyAction == types.PolicyActionRetain || r.PolicyAction == types.PolicyActionReplaceAndRetain {
		change.Details = append(change.Details, "the old one is kept")
	}
	return change
}

// maxValue is how long a value may be to be shown.
const maxValue = 60

// detailOf names what would change of a resource, with short values where CloudFormation tells them.
func detailOf(target *types.ResourceTargetDefinition) string {
	if target == nil {
		return ""
	}
	name := string(target.Attribute)
	if target.Name != nil {
		name = *target.Name
	}
	if target.Path != nil {
		name = strings.ReplaceAll(strings.TrimPrefix(*target.Path, "/Properties/"), "/", ".")
	}
	before, after := aws.ToString(target.BeforeValue), aws.ToString(target.AfterValue)
	if before == "" || after == "" || len(before) > maxValue || len(after) > maxValue {
		return name
	}
	return name + ": " + before + " becomes " + after
}

// protects reports whether the stack's policy denies replacing or removing the resource.
func (s Spec) protects(logicalID string) bool {
	var policy struct {
		Statement []struct {
			Effect, Resource string
			Action           []string
		}
	}
	if s.Policy == "" || json.Unmarshal([]byte(s.Policy), &policy) != nil {
		return false
	}
	for _, statement := range policy.Statement {
		if statement.Effect == "Deny" && statement.Resource == "LogicalResourceId/"+logicalID && slices.Contains(statement.Action, "Update:Replace") {
			return true
		}
	}
	return false
}
