package stack_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"github.com/harmonix-eks/environment-provider/internal/stack"
)

const (
	name     = "EKS-ENV-opa-dev-Network"
	id       = "arn:aws:cloudformation:us-east-1:222222222222:stack/" + name + "/1"
	role     = "arn:aws:iam::222222222222:role/EKS-ENV-CloudFormation-us-east-1"
	template = `{"Parameters":{"VpcCidr":{"Type":"String"},"ZoneCount":{"Type":"Number","Default":2}},"Resources":{}}`
)

var (
	since  = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	before = since.Add(-time.Hour)
	after  = since.Add(20 * time.Second)
)

// client has to satisfy what the engine asks for.
var _ = stack.New((*cloudformation.Client)(nil), stack.Options{})

func spec() stack.Spec {
	return stack.Spec{
		Name:       name,
		Template:   template,
		Parameters: map[string]string{"VpcCidr": "10.0.0.0/16"},
		Tags:       map[string]string{"b": "2", "a": "1"},
		RoleARN:    role,
		Execution:  "arn:aws:states:us-east-1:111111111111:execution:provider:one",
		Since:      since,
	}
}

// live is the stack as spec makes it, from before the run.
func live(status types.StackStatus, with ...func(*types.Stack)) *types.Stack {
	s := &types.Stack{
		StackName:    aws.String(name),
		StackId:      aws.String(id),
		StackStatus:  status,
		CreationTime: aws.Time(before),
		RoleARN:      aws.String(role),
		Parameters: []types.Parameter{
			{ParameterKey: aws.String("VpcCidr"), ParameterValue: aws.String("10.0.0.0/16")},
			{ParameterKey: aws.String("ZoneCount"), ParameterValue: aws.String("2")},
		},
		Tags:    []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}},
		Outputs: []types.Output{{OutputKey: aws.String("VpcId"), OutputValue: aws.String("vpc-1")}},
	}
	for _, f := range with {
		f(s)
	}
	return s
}

func created(t time.Time) func(*types.Stack) {
	return func(s *types.Stack) { s.CreationTime = aws.Time(t) }
}

func updated(t time.Time) func(*types.Stack) {
	return func(s *types.Stack) { s.LastUpdatedTime = aws.Time(t) }
}

func cidr(v string) func(*types.Stack) {
	return func(s *types.Stack) { s.Parameters[0].ParameterValue = aws.String(v) }
}

// event is one of resource's, oldest events being listed last.
func event(token, resource string, status types.ResourceStatus, reason string) types.StackEvent {
	e := types.StackEvent{
		StackId:              aws.String(id),
		Timestamp:            aws.Time(after),
		LogicalResourceId:    aws.String(resource),
		PhysicalResourceId:   aws.String(resource + "-1"),
		ResourceType:         aws.String("AWS::EC2::" + resource),
		ResourceStatus:       status,
		ResourceStatusReason: aws.String(reason),
	}
	if token != "" {
		e.ClientRequestToken = aws.String(token)
	}
	if resource == name {
		e.PhysicalResourceId = aws.String(id)
	}
	return e
}

func apiError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}

var absent = apiError("ValidationError", "Stack with id "+name+" does not exist")

// cloud is a hand-written CloudFormation: it answers looks in their order, the last one for ever,
// and records what changes something.
type cloud struct {
	// looks are the answers of DescribeStacks, nil meaning that there is no stack.
	looks    []*types.Stack
	pages    [][]types.StackEvent
	template string
	// takes says that an update's template is the stack's from then on, whatever the answer is.
	takes  bool
	policy string
	errs   map[string]error
	// sets are the answers of DescribeChangeSet in their order, the last one for ever.
	sets []*cloudformation.DescribeChangeSetOutput
	// resources are the stack's, given in two pages.
	resources []types.StackResourceSummary

	calls  []string
	tokens []string
	reads  []string
	create *cloudformation.CreateStackInput
	update *cloudformation.UpdateStackInput
	set    *cloudformation.CreateChangeSetInput
	now    time.Time
	waits  []time.Duration
}

func (c *cloud) engine(t *testing.T) *stack.Engine {
	t.Helper()
	return c.engineThat(t, false)
}

// engineThat returns an engine that converges, or rehearses.
func (c *cloud) engineThat(t *testing.T, rehearses bool) *stack.Engine {
	t.Helper()
	if c.template == "" {
		c.template = template
	}
	c.now = after
	return stack.New(c, stack.Options{
		Rehearse: rehearses,
		Now:      func() time.Time { return c.now },
		Jitter:   func(d time.Duration) time.Duration { return d },
		Wait: func(_ context.Context, d time.Duration) error {
			c.waits = append(c.waits, d)
			c.now = c.now.Add(d)
			return nil
		},
	})
}

func (c *cloud) did(call string, token *string) error {
	c.calls = append(c.calls, call)
	c.tokens = append(c.tokens, aws.ToString(token))
	return c.errs[call]
}

func (c *cloud) DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	c.reads = append(c.reads, "DescribeStacks")
	if err := c.errs["DescribeStacks"]; err != nil {
		return nil, err
	}
	look := c.looks[0]
	if len(c.looks) > 1 {
		c.looks = c.looks[1:]
	}
	if look == nil {
		return nil, absent
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{*look}}, nil
}

func (c *cloud) DescribeStackEvents(_ context.Context, in *cloudformation.DescribeStackEventsInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	c.reads = append(c.reads, "DescribeStackEvents")
	page, _ := strconv.Atoi(aws.ToString(in.NextToken))
	out := &cloudformation.DescribeStackEventsOutput{}
	if page < len(c.pages) {
		out.StackEvents = c.pages[page]
	}
	if page+1 < len(c.pages) {
		out.NextToken = aws.String(strconv.Itoa(page + 1))
	}
	return out, c.errs["DescribeStackEvents"]
}

func (c *cloud) GetTemplate(context.Context, *cloudformation.GetTemplateInput, ...func(*cloudformation.Options)) (*cloudformation.GetTemplateOutput, error) {
	c.reads = append(c.reads, "GetTemplate")
	return &cloudformation.GetTemplateOutput{TemplateBody: &c.template}, nil
}

func (c *cloud) ListStackResources(_ context.Context, in *cloudformation.ListStackResourcesInput, _ ...func(*cloudformation.Options)) (*cloudformation.ListStackResourcesOutput, error) {
	if in.NextToken == nil {
		return &cloudformation.ListStackResourcesOutput{StackResourceSummaries: c.resources[:len(c.resources)/2], NextToken: aws.String("more")}, c.errs["ListStackResources"]
	}
	return &cloudformation.ListStackResourcesOutput{StackResourceSummaries: c.resources[len(c.resources)/2:]}, c.errs["ListStackResources"]
}

func (c *cloud) GetStackPolicy(context.Context, *cloudformation.GetStackPolicyInput, ...func(*cloudformation.Options)) (*cloudformation.GetStackPolicyOutput, error) {
	return &cloudformation.GetStackPolicyOutput{StackPolicyBody: &c.policy}, nil
}

func (c *cloud) SetStackPolicy(context.Context, *cloudformation.SetStackPolicyInput, ...func(*cloudformation.Options)) (*cloudformation.SetStackPolicyOutput, error) {
	return &cloudformation.SetStackPolicyOutput{}, c.did("SetStackPolicy", nil)
}

func (c *cloud) CreateStack(_ context.Context, in *cloudformation.CreateStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.CreateStackOutput, error) {
	c.create = in
	return &cloudformation.CreateStackOutput{}, c.did("CreateStack", in.ClientRequestToken)
}

func (c *cloud) UpdateStack(_ context.Context, in *cloudformation.UpdateStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.UpdateStackOutput, error) {
	c.update = in
	if c.takes {
		c.template = aws.ToString(in.TemplateBody)
	}
	return &cloudformation.UpdateStackOutput{}, c.did("UpdateStack", in.ClientRequestToken)
}

func (c *cloud) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error) {
	return &cloudformation.DeleteStackOutput{}, c.did("DeleteStack", in.ClientRequestToken)
}

func (c *cloud) UpdateTerminationProtection(_ context.Context, in *cloudformation.UpdateTerminationProtectionInput, _ ...func(*cloudformation.Options)) (*cloudformation.UpdateTerminationProtectionOutput, error) {
	return &cloudformation.UpdateTerminationProtectionOutput{}, c.did("UpdateTerminationProtection", nil)
}

func (c *cloud) RollbackStack(_ context.Context, in *cloudformation.RollbackStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.RollbackStackOutput, error) {
	return &cloudformation.RollbackStackOutput{}, c.did("RollbackStack", in.ClientRequestToken)
}

func (c *cloud) ContinueUpdateRollback(_ context.Context, in *cloudformation.ContinueUpdateRollbackInput, _ ...func(*cloudformation.Options)) (*cloudformation.ContinueUpdateRollbackOutput, error) {
	return &cloudformation.ContinueUpdateRollbackOutput{}, c.did("ContinueUpdateRollback", in.ClientRequestToken)
}

func (c *cloud) CreateChangeSet(_ context.Context, in *cloudformation.CreateChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error) {
	c.set = in
	return &cloudformation.CreateChangeSetOutput{}, c.did("CreateChangeSet", nil)
}

func (c *cloud) DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error) {
	if err := c.errs["DescribeChangeSet"]; err != nil {
		return nil, err
	}
	set := c.sets[0]
	if len(c.sets) > 1 {
		c.sets = c.sets[1:]
	}
	return set, nil
}

func (c *cloud) DeleteChangeSet(_ context.Context, in *cloudformation.DeleteChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error) {
	if c.set == nil || *in.ChangeSetName != *c.set.ChangeSetName {
		return nil, apiError("ValidationError", "another change set is deleted")
	}
	return &cloudformation.DeleteChangeSetOutput{}, c.did("DeleteChangeSet", nil)
}

// tokenOf returns the token that the engine gives the run's operation of that kind.
func tokenOf(t *testing.T, s stack.Spec, kind string) string {
	t.Helper()
	c := &cloud{looks: []*types.Stack{nil}}
	_, _ = c.engine(t).Converge(t.Context(), s)
	if len(c.tokens) == 0 {
		t.Fatal("no create was made to take a token from")
	}
	return strings.Replace(c.tokens[0], "-create-", "-"+kind+"-", 1)
}
