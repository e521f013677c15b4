package stack_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// planned is a template with what a plan has to evaluate.
const planned = `{
	"Parameters": {"VpcCidr": {"Type": "String"}, "ZoneCount": {"Type": "Number", "Default": 2}, "Role": {"Type": "String", "Default": ""}},
	"Conditions": {
		"Three": {"Fn::Equals": [{"Ref": "ZoneCount"}, "3"]},
		"Given": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Role"}, ""]}]},
		"Both": {"Fn::And": [{"Condition": "Three"}, {"Condition": "Given"}]},
		"Any": {"Fn::Or": [{"Condition": "Three"}, {"Condition": "Given"}]}
	},
	"Resources": {
		"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "VpcCidr"}}},
		"A": {"Type": "AWS::EC2::Subnet"}, "B": {"Type": "AWS::EC2::Subnet"},
		"C": {"Type": "AWS::EC2::Subnet", "Condition": "Three"},
		"Rare": {"Type": "AWS::IAM::Role", "Condition": "Both"},
		"Often": {"Type": "AWS::IAM::Role", "Condition": "Any"}
	},
	"Outputs": {
		"VpcId": {"Value": {"Ref": "Vpc"}},
		"Cidr": {"Value": {"Ref": "VpcCidr"}},
		"Name": {"Value": {"Ref": "AWS::StackName"}},
		"Arn": {"Value": {"Fn::If": ["Given", {"Ref": "Role"}, {"Fn::GetAtt": ["Often", "Arn"]}]}},
		"Host": {"Value": {"Fn::Select": [1, {"Fn::Split": ["//", {"Fn::GetAtt": ["A", "Url"]}]}]}},
		"Subnets": {"Value": {"Fn::If": ["Three", {"Fn::Join": [",", [{"Ref": "A"}, {"Ref": "B"}, {"Ref": "C"}]]}, {"Fn::Join": [",", [{"Ref": "A"}, {"Ref": "B"}]]}]}},
		"Third": {"Value": {"Ref": "C"}, "Condition": "Three"}
	}
}`

func add(kind, name string) environment.PlannedChange {
	return environment.PlannedChange{Action: "added", Type: kind, Name: name}
}

// A stack that does not exist is read from its template: a change set would leave a stack behind
// (aws-traps.md, row 1.69).
func TestRehearseCreation(t *testing.T) {
	const later = "(known after apply)"
	cases := map[string]struct {
		reason     string
		live       *types.Stack
		parameters map[string]string
		changes    []environment.PlannedChange
		outputs    map[string]string
		note       string
	}{
		"Default": {
			reason: "what a false condition holds back is not made", parameters: map[string]string{"VpcCidr": "10.0.0.0/16"},
			changes: []environment.PlannedChange{add("AWS::EC2::Subnet", "A"), add("AWS::EC2::Subnet", "B"), add("AWS::EC2::VPC", "Vpc")},
			outputs: map[string]string{"VpcId": later, "Cidr": "10.0.0.0/16", "Name": name, "Arn": later, "Host": later, "Subnets": later + "," + later},
		},
		"AllConditions": {
			reason: "conditions on conditions", parameters: map[string]string{"VpcCidr": "10.0.0.0/16", "ZoneCount": "3", "Role": "arn"},
			changes: []environment.PlannedChange{
				add("AWS::EC2::Subnet", "A"), add("AWS::EC2::Subnet", "B"), add("AWS::EC2::Subnet", "C"),
				add("AWS::IAM::Role", "Often"), add("AWS::IAM::Role", "Rare"), add("AWS::EC2::VPC", "Vpc"),
			},
			outputs: map[string]string{
				"VpcId": later, "Cidr": "10.0.0.0/16", "Name": name, "Arn": "arn", "Host": later, "Subnets": later + "," + later + "," + later, "Third": later,
			},
		},
		"Anew": {
			reason: "a stack that never worked is made anew", parameters: map[string]string{"VpcCidr": "10.0.0.0/16"}, live: live("ROLLBACK_COMPLETE"),
			changes: []environment.PlannedChange{add("AWS::EC2::Subnet", "A"), add("AWS::EC2::Subnet", "B"), add("AWS::EC2::VPC", "Vpc")},
			outputs: map[string]string{"VpcId": later, "Cidr": "10.0.0.0/16", "Name": name, "Arn": later, "Host": later, "Subnets": later + "," + later},
			note:    "ROLLBACK_COMPLETE: it is deleted first, then made anew",
		},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			c := &cloud{looks: []*types.Stack{tc.live}}
			s := spec()
			s.Template, s.Parameters = planned, tc.parameters
			got, err := c.engineThat(t, true).Converge(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			want := stack.Outcome{Change: "created", Outputs: tc.outputs, Plan: &environment.Plan{Changes: tc.changes}}
			if tc.note != "" {
				want.Plan.Notes = []string{"stack " + name + " is " + tc.note}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if len(c.calls) > 0 {
				t.Errorf("%s: calls %v", tc.reason, c.calls)
			}
		})
	}
}

func set(status types.ChangeSetStatus, reason string, changes ...types.Change) *cloudformation.DescribeChangeSetOutput {
	return &cloudformation.DescribeChangeSetOutput{Status: status, StatusReason: &reason, Changes: changes}
}

func change(action types.ChangeAction, resource string, replacement types.Replacement, details ...types.ResourceChangeDetail) types.Change {
	return types.Change{ResourceChange: &types.ResourceChange{
		Action: action, LogicalResourceId: &resource, ResourceType: aws.String("AWS::EC2::" + resource), PhysicalResourceId: aws.String(resource + "-1"),
		Replacement: replacement, Details: details,
	}}
}

func property(name string) types.ResourceChangeDetail {
	return types.ResourceChangeDetail{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeProperties, Name: &name}}
}

func paging(out *cloudformation.DescribeChangeSetOutput) *cloudformation.DescribeChangeSetOutput {
	out.NextToken = aws.String("more")
	return out
}

func TestRehearseUpdate(t *testing.T) {
	protected := func(s *stack.Spec) {
		s.Policy = `{"Statement":[{"Effect":"Deny","Action":["Update:Replace","Update:Delete"],"Principal":"*","Resource":"LogicalResourceId/Vpc"}]}`
	}
	sized := property("Size")
	sized.Target.BeforeValue, sized.Target.AfterValue, sized.Target.Path = aws.String("1"), aws.String("2"), aws.String("/Properties/Scaling/Size")
	tagged := types.ResourceChangeDetail{Target: &types.ResourceTargetDefinition{Attribute: types.ResourceAttributeTags}}
	kept := change("Remove", "Key", "")
	kept.ResourceChange.PolicyAction = types.PolicyActionRetain
	other := live("CREATE_COMPLETE", cidr("10.9.0.0/16"))
	const why = `parameter VpcCidr: "10.9.0.0/16" becomes "10.0.0.0/16"`
	asked := []string{"CreateChangeSet", "DeleteChangeSet"}
	item := func(action environment.Action, name string, details ...string) environment.PlannedChange {
		id := name + "-1"
		return environment.PlannedChange{Action: action, Type: "AWS::EC2::" + name, Name: name, ID: id, Details: details}
	}
	cases := map[string]struct {
		reason string
		cloud  cloud
		spec   func(*stack.Spec)
		calls  []string
		change environment.Change
		plan   *environment.Plan
		code   fault.Code
		says   string
	}{
		"Unchanged": {reason: "not even a change set is made", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}}, change: "unchanged"},
		"Changes": {
			reason: "each kind of change, over pages",
			cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{
				set("CREATE_PENDING", ""),
				paging(set("CREATE_COMPLETE", "", change("Add", "Subnet", ""), change("Modify", "Route", "False", property("A"), property("A"), sized, tagged))),
				set("CREATE_COMPLETE", "", change("Modify", "VPC", "True", property("CidrBlock")), change("Modify", "Rule", "Conditional", property("Group")), kept),
			}},
			calls: asked, change: "updated",
			plan: &environment.Plan{Because: []string{why}, Changes: []environment.PlannedChange{
				item("added", "Subnet"), item("modified", "Route", "A", "Scaling.Size: 1 becomes 2", "Tags"), item("replaced", "VPC", "CidrBlock"),
				item("modified", "Rule", "Group", "replaced if what it refers to changes"), item("removed", "Key", "the old one is kept"),
			}},
		},
		"OutputsOnly": {reason: "an update without a changed resource is one", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}}, calls: asked, change: "updated", plan: &environment.Plan{Because: []string{why}}},
		"NoChange":    {reason: "a difference that is none to CloudFormation", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("FAILED", "The submitted information didn't contain changes. Submit different information to create a change set.")}}, calls: asked, change: "unchanged"},
		"NoUpdate":    {reason: "the other text for it", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("FAILED", "No updates are to be performed.")}}, calls: asked, change: "unchanged"},
		"Again":       {reason: "an invocation before this one made the change set", cloud: cloud{looks: []*types.Stack{other}, errs: map[string]error{"CreateChangeSet": apiError("AlreadyExistsException", "")}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}}, calls: asked, change: "updated", plan: &environment.Plan{Because: []string{why}}},
		"Reasons": {
			reason: "all that differs is said", calls: asked, change: "updated",
			cloud: cloud{template: "{}", sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}, looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) {
				s.Parameters = []types.Parameter{{ParameterKey: aws.String("VpcCidr"), ParameterValue: aws.String("10.0.0.0/16")}, {ParameterKey: aws.String("Old"), ParameterValue: aws.String("x")}}
				s.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("0")}, {Key: aws.String("c"), Value: aws.String("3")}}
				s.RoleARN = aws.String("other")
			})}},
			plan: &environment.Plan{Because: []string{
				`parameter ZoneCount is new: "2"`, "parameter Old goes", `tag a: "0" becomes "1"`, `tag b is new: "2"`, "tag c goes",
				"the template is another one, by the request or by this version of the provider", "the service role becomes " + role,
			}},
		},
		"Policy":     {reason: "a stack policy that differs is set", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}}, spec: protected, change: "updated", plan: &environment.Plan{Notes: []string{"the stack policy of " + name + " is set anew"}}},
		"Fixed":      {reason: "what the stack was made with cannot change", cloud: cloud{looks: []*types.Stack{other}}, spec: func(s *stack.Spec) { s.Fixed = []string{"VpcCidr"} }, code: fault.Conflict, says: "would be replaced"},
		"Protected":  {reason: "the policy would stop the update half-way (aws-traps.md, row 1.1)", spec: protected, code: fault.Conflict, says: "AWS::EC2::Vpc Vpc of stack " + name + " would be replaced (CidrBlock)", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "", change("Modify", "Vpc", "True", property("CidrBlock")))}}, calls: asked},
		"Failed":     {reason: "a change set that fails for a reason of its own", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("FAILED", "no such type")}}, calls: asked, code: fault.Failed, says: "no such type"},
		"Slow":       {reason: "the next invocation finds the change set by its name", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_IN_PROGRESS", "")}}, calls: asked[:1], code: fault.InProgress},
		"Unreadable": {reason: "the change set is deleted all the same", cloud: cloud{looks: []*types.Stack{other}, errs: map[string]error{"DescribeChangeSet": apiError("AccessDenied", "")}}, calls: asked, code: fault.AccessDenied},
		"Vanished":   {reason: "an update that somebody else makes deletes it; the next attempt makes another", cloud: cloud{looks: []*types.Stack{other}, errs: map[string]error{"DescribeChangeSet": apiError("ChangeSetNotFound", "")}}, calls: asked, code: fault.Transient},
		"Undeleted":  {reason: "a plan that leaves something behind has not succeeded", cloud: cloud{looks: []*types.Stack{other}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}, errs: map[string]error{"DeleteChangeSet": apiError("AccessDenied", "")}}, calls: asked, code: fault.AccessDenied},
		"Moving":     {reason: "somebody else is at work", cloud: cloud{looks: []*types.Stack{live("UPDATE_IN_PROGRESS")}}, change: "unknown", plan: &environment.Plan{Notes: []string{"stack " + name + " is UPDATE_IN_PROGRESS: another operation is at work on it, and what is left to change is seen when that has ended"}}},
		"Stuck":      {reason: "no change set can be made of it", cloud: cloud{looks: []*types.Stack{live("UPDATE_ROLLBACK_FAILED")}}, change: "unknown", plan: &environment.Plan{Notes: []string{"stack " + name + " is UPDATE_ROLLBACK_FAILED: it is repaired first, and what an update changes is seen after that"}}},
		"Refused":    {reason: "as in an apply", cloud: cloud{looks: []*types.Stack{live("IMPORT_ROLLBACK_FAILED")}}, code: fault.Failed, says: "cannot repair"},
		"Broken":     {reason: "no look, no plan", cloud: cloud{looks: []*types.Stack{nil}, errs: map[string]error{"DescribeStacks": errors.New("lost")}}, code: fault.Transient},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			s := spec()
			if tc.spec != nil {
				tc.spec(&s)
			}
			got, err := tc.cloud.engineThat(t, true).Converge(t.Context(), s)
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: want code %q, got %v", tc.reason, tc.code, err)
			}
			if diff := cmp.Diff(tc.calls, tc.cloud.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", tc.reason, diff)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: %q lacks %q", tc.reason, err, tc.says)
				}
				return
			}
			want := stack.Outcome{Change: tc.change, StackID: id, Outputs: map[string]string{"VpcId": "vpc-1"}, Plan: tc.plan}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A value that is not known yet keeps the form that CloudFormation checks.
func TestRehearseWithUnknownValues(t *testing.T) {
	c := &cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}}
	s := spec()
	s.Parameters = maps.Clone(s.Parameters)
	s.Parameters["VpcCidr"] = environment.KnownAfterApply
	s.Parameters["ZoneCount"] = "3"
	if _, err := c.engineThat(t, true).Converge(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range c.set.Parameters {
		got[*p.ParameterKey] = aws.ToString(p.ParameterValue)
		if aws.ToBool(p.UsePreviousValue) {
			got[*p.ParameterKey] = "as it is"
		}
	}
	if diff := cmp.Diff(map[string]string{"VpcCidr": "as it is", "ZoneCount": "3"}, got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if c.set.ChangeSetType != types.ChangeSetTypeUpdate {
		t.Errorf("a change set of type %s makes a stack", c.set.ChangeSetType)
	}
	if c.set.RoleARN != nil {
		t.Error("a plan hands over a role")
	}
}
