package stack_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

func TestConverge(t *testing.T) {
	done := live("CREATE_COMPLETE", created(after))
	own := func(kind string) [][]types.StackEvent {
		return [][]types.StackEvent{{event(tokenOf(t, spec(), kind), name, "UPDATE_COMPLETE", "")}}
	}
	cases := map[string]struct {
		reason string
		cloud  cloud
		spec   func(*stack.Spec)
		calls  []string
		change environment.Change
		code   fault.Code
	}{
		"Create":              {reason: "no stack", cloud: cloud{looks: []*types.Stack{nil, live("CREATE_IN_PROGRESS"), done}}, calls: []string{"CreateStack"}, change: environment.Created},
		"Unchanged":           {reason: "a re-apply makes no mutating call", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}}, change: environment.Unchanged},
		"UnchangedFormatting": {reason: "templates are compared as documents", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, template: strings.ReplaceAll(template, ",", " ,\n")}, change: environment.Unchanged},
		"RoleNotReported":     {reason: "emulators do not report the role", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) { s.RoleARN = nil })}}, change: environment.Unchanged},
		"TagsOfAWS": {reason: "tags that AWS adds are not ours", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) {
			s.Tags = append(s.Tags, types.Tag{Key: aws.String("aws:x"), Value: aws.String("y")})
		})}}, change: environment.Unchanged},
		"DeletedMeanwhile": {
			reason: "what a deletion has removed does not come back by a call that was left over",
			cloud:  cloud{looks: []*types.Stack{live("CREATE_IN_PROGRESS"), live("DELETE_IN_PROGRESS"), nil}}, code: fault.Conflict,
		},
		"DeletedBefore": {
			reason: "a deletion that was under way is waited for",
			cloud:  cloud{looks: []*types.Stack{live("DELETE_IN_PROGRESS"), nil, done}}, calls: []string{"CreateStack"}, change: environment.Created,
		},
		"CreatedEarlierInRun": {reason: "an invocation before this one created it", cloud: cloud{looks: []*types.Stack{done}}, change: environment.Created},
		"UpdatedEarlierInRun": {reason: "an invocation before this one updated it", cloud: cloud{looks: []*types.Stack{live("UPDATE_COMPLETE", updated(after))}}, change: environment.Updated},
		"OtherParameter":      {reason: "differs", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", cidr("10.9.0.0/16")), done}}, calls: []string{"UpdateStack"}, change: environment.Created},
		"OtherDefault":        {reason: "a parameter not given is its default", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) { s.Parameters[1].ParameterValue = aws.String("3") }), live("UPDATE_COMPLETE", updated(after))}}, calls: []string{"UpdateStack"}, change: environment.Updated},
		"OtherTags":           {reason: "differs", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) { s.Tags = nil }), live("UPDATE_COMPLETE", updated(after))}}, calls: []string{"UpdateStack"}, change: environment.Updated},
		"OtherRole":           {reason: "differs", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) { s.RoleARN = aws.String("other") }), live("UPDATE_COMPLETE", updated(after))}}, calls: []string{"UpdateStack"}, change: environment.Updated},
		"OtherTemplate":       {reason: "an update that CloudFormation finds empty is none", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, template: "{}", errs: map[string]error{"UpdateStack": apiError("ValidationError", "No updates are to be performed.")}}, calls: []string{"UpdateStack"}, change: environment.Unchanged},
		"NeverEqual":          {reason: "an update that went through is not repeated for ever", cloud: cloud{looks: []*types.Stack{live("UPDATE_COMPLETE", cidr("010.0.0.0/16"), updated(after))}, pages: own("update")}, change: environment.Updated},
		"LostAnswer":          {reason: "the stack is being created already", cloud: cloud{looks: []*types.Stack{nil, done}, errs: map[string]error{"CreateStack": apiError("AlreadyExistsException", "")}}, calls: []string{"CreateStack"}, change: environment.Created},
		"LostToken":           {reason: "the update is under way already", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", cidr("x")), live("UPDATE_COMPLETE", updated(after))}, errs: map[string]error{"UpdateStack": apiError("TokenAlreadyExistsException", "")}}, calls: []string{"UpdateStack"}, change: environment.Updated},
		"LostRace":            {reason: "the stack moved since the look", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", cidr("x")), live("UPDATE_COMPLETE")}, errs: map[string]error{"UpdateStack": apiError("ValidationError", "Stack:x is in UPDATE_IN_PROGRESS state and can not be updated.")}}, calls: []string{"UpdateStack"}, change: environment.Unchanged},
		"PolicyKept":          {reason: "the same policy is not set again", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, policy: `{ "Statement": [] }`}, spec: policy, change: environment.Unchanged},
		"PolicySet":           {reason: "another policy is", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}}, spec: policy, calls: []string{"SetStackPolicy"}, change: environment.Updated},
		"StillMoving":         {reason: "the wait is bounded", cloud: cloud{looks: []*types.Stack{live("CREATE_IN_PROGRESS")}}, code: fault.InProgress},
		"StillAbsent":         {reason: "a token of a deleted stack makes nothing, so each attempt has its own", cloud: cloud{looks: []*types.Stack{nil, nil, done}, errs: map[string]error{"CreateStack": apiError("TokenAlreadyExistsException", "")}}, calls: []string{"CreateStack", "CreateStack"}, change: environment.Created},
		"TemplateTooLarge":    {reason: "refused before any call", cloud: cloud{looks: []*types.Stack{nil}}, spec: func(s *stack.Spec) { s.Template = strings.Repeat("x", 51_201) }, code: fault.Internal},
		"ParameterTooLong":    {reason: "refused before any call", cloud: cloud{looks: []*types.Stack{nil}}, spec: func(s *stack.Spec) { s.Parameters["VpcCidr"] = strings.Repeat("x", 4_097) }, code: fault.Internal},
		"NoSince":             {reason: "without it no operation could be recognized", cloud: cloud{looks: []*types.Stack{nil}}, spec: func(s *stack.Spec) { s.Since = time.Time{} }, code: fault.Internal},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			s := spec()
			if tc.spec != nil {
				tc.spec(&s)
			}
			got, err := tc.cloud.engine(t).Converge(t.Context(), s)
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: want code %q, got %v", tc.reason, tc.code, err)
			}
			if diff := cmp.Diff(tc.calls, tc.cloud.calls); diff != "" {
				t.Errorf("%s: calls: -want +got:\n%s", tc.reason, diff)
			}
			if err != nil {
				return
			}
			want := stack.Outcome{Change: tc.change, StackID: id, Outputs: map[string]string{"VpcId": "vpc-1"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: outcome: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func policy(s *stack.Spec) { s.Policy = `{"Statement":[]}` }

func TestCreateInput(t *testing.T) {
	c := &cloud{looks: []*types.Stack{nil, live("CREATE_COMPLETE")}}
	if _, err := c.engine(t).Converge(t.Context(), spec()); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, tag := range c.create.Tags {
		keys = append(keys, *tag.Key)
	}
	if diff := cmp.Diff([]string{"a", "b"}, keys); diff != "" {
		t.Errorf("tags are sorted: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]types.Capability{"CAPABILITY_NAMED_IAM"}, c.create.Capabilities); diff != "" {
		t.Errorf("capabilities: -want +got:\n%s", diff)
	}
	if aws.ToString(c.create.RoleARN) != role || c.create.StackPolicyBody != nil {
		t.Errorf("want the service role and no policy, got %v and %v", c.create.RoleARN, c.create.StackPolicyBody)
	}
}

func TestWaits(t *testing.T) {
	sec := func(n ...time.Duration) (d []time.Duration) {
		for _, v := range n {
			d = append(d, v*time.Second)
		}
		return d
	}
	cases := map[string]struct {
		reason   string
		deadline time.Duration
		want     []time.Duration
	}{
		"Window":   {reason: "the window bounds the wait", deadline: time.Hour, want: sec(2, 3, 5, 5, 5, 5)},
		"Deadline": {reason: "and so does the context, less a margin", deadline: 13 * time.Second, want: sec(2, 3, 5)},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			c := &cloud{looks: []*types.Stack{live("CREATE_IN_PROGRESS")}}
			engine := c.engine(t)
			// The context's deadline is measured by the real clock, so the fake one starts there.
			c.now = time.Now()
			ctx, cancel := context.WithDeadline(t.Context(), c.now.Add(tc.deadline))
			defer cancel()
			_, err := engine.Converge(ctx, spec())
			if diff := cmp.Diff(tc.want, c.waits); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
			if f := fault.As(err); f.Code != fault.InProgress || f.Message != "stack "+name+" is CREATE_IN_PROGRESS" {
				t.Errorf("want InProgress with stack and status, got %v", err)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	first := func(s stack.Spec, look *types.Stack) string {
		c := &cloud{looks: []*types.Stack{look}}
		_, _ = c.engine(t).Converge(t.Context(), s)
		return c.tokens[0]
	}
	other, redriven := spec(), spec()
	other.Execution += "-2"
	redriven.Since = since.Add(time.Minute)
	differing := live("CREATE_COMPLETE", cidr("x"))

	if a, b := first(spec(), differing), first(spec(), differing); a != b {
		t.Errorf("a repeated call has the same token, got %s and %s", a, b)
	}
	again := &cloud{looks: []*types.Stack{nil, nil, live("CREATE_COMPLETE")}}
	if _, err := again.engine(t).Converge(t.Context(), spec()); err != nil || len(again.tokens) != 2 {
		t.Fatalf("want two creates, got %v, %v", again.calls, err)
	}
	seen := map[string]string{}
	for n, token := range map[string]string{
		"create":              again.tokens[0],
		"create again":        again.tokens[1],
		"update":              first(spec(), differing),
		"update again":        first(spec(), live("UPDATE_COMPLETE", cidr("x"), updated(after))),
		"delete":              first(spec(), live("ROLLBACK_COMPLETE")),
		"rollback":            first(spec(), live("UPDATE_FAILED")),
		"continue":            first(spec(), live("UPDATE_ROLLBACK_FAILED")),
		"of another run":      first(other, differing),
		"of a redriven state": first(redriven, differing),
	} {
		if !regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]{0,127}$`).MatchString(token) {
			t.Errorf("%s: CloudFormation refuses token %q", n, token)
		}
		if twin, ok := seen[token]; ok {
			t.Errorf("%s and %s share a token", n, twin)
		}
		seen[token] = n
	}
}

func TestDescribe(t *testing.T) {
	c := &cloud{looks: []*types.Stack{live("CREATE_IN_PROGRESS"), nil}}
	e := c.engine(t)
	got, found, err := e.Describe(t.Context(), name)
	if err != nil || !found || !got.Moving() {
		t.Errorf("want a moving stack, got %v, %v, %v", got, found, err)
	}
	if _, found, err := e.Describe(t.Context(), name); err != nil || found {
		t.Errorf("want no stack and no error, got %v, %v", found, err)
	}
	c.errs = map[string]error{"DescribeStacks": errors.New("connection reset")}
	if _, _, err := e.Describe(t.Context(), name); fault.CodeOf(err) != fault.Transient {
		t.Errorf("want Transient for a call without an answer, got %v", err)
	}
}

// What CloudFormation does not show cannot be compared: it is sent when something else changes, and a
// re-apply makes no call.
func TestHiddenParameters(t *testing.T) {
	masked := live("UPDATE_COMPLETE", func(s *types.Stack) {
		s.Parameters = append(s.Parameters, types.Parameter{ParameterKey: aws.String("Secret"), ParameterValue: aws.String("****")})
	})
	with := func(cidr string) stack.Spec {
		s := spec()
		s.Parameters = map[string]string{"VpcCidr": cidr, "Secret": "unguessable"}
		s.Hidden = []string{"Secret"}
		return s
	}
	same := &cloud{looks: []*types.Stack{masked}}
	if _, err := same.engine(t).Converge(t.Context(), with("10.0.0.0/16")); err != nil || len(same.calls) > 0 {
		t.Errorf("a re-apply calls %v (%v)", same.calls, err)
	}
	other := &cloud{looks: []*types.Stack{masked, live("UPDATE_COMPLETE", cidr("10.1.0.0/16"), updated(after), func(s *types.Stack) {
		s.Parameters = append(s.Parameters, types.Parameter{ParameterKey: aws.String("Secret"), ParameterValue: aws.String("****")})
	})}}
	if _, err := other.engine(t).Converge(t.Context(), with("10.1.0.0/16")); err != nil {
		t.Fatal(err)
	}
	for _, p := range other.update.Parameters {
		if *p.ParameterKey == "Secret" && aws.ToString(p.ParameterValue) != "unguessable" {
			t.Errorf("an update sends %q", aws.ToString(p.ParameterValue))
		}
	}
	plan := &cloud{looks: []*types.Stack{live("UPDATE_COMPLETE")}, sets: []*cloudformation.DescribeChangeSetOutput{set("CREATE_COMPLETE", "")}}
	out, err := plan.engineThat(t, true).Converge(t.Context(), with("10.1.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	if out.Plan == nil || strings.Contains(strings.Join(out.Plan.Because, " "), "unguessable") {
		t.Errorf("a plan shows it: %+v", out.Plan)
	}
}
