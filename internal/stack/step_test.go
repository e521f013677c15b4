package stack_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// made is a stack that becomes what every update asks for, at once.
type made struct {
	cloud
	status     types.StackStatus
	parameters map[string]string
	tags       map[string]string
	// updates are what each update changed, sorted, and the tokens it was made with.
	updates [][]string
	events  []types.StackEvent
	// fails ends the update that has this number.
	fails int
	// stayed are the numbers of the updates whose rollback was disabled.
	stayed []int
}

func (m *made) DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	s := types.Stack{StackId: aws.String(id), StackStatus: m.status, CreationTime: aws.Time(before), LastUpdatedTime: aws.Time(before.Add(time.Duration(len(m.updates)) * time.Minute))}
	for k, v := range m.parameters {
		s.Parameters = append(s.Parameters, types.Parameter{ParameterKey: &k, ParameterValue: &v})
	}
	for k, v := range m.tags {
		s.Tags = append(s.Tags, types.Tag{Key: &k, Value: &v})
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{s}}, nil
}

func (m *made) DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	return &cloudformation.DescribeStackEventsOutput{StackEvents: m.events}, nil
}

func (m *made) UpdateStack(_ context.Context, in *cloudformation.UpdateStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.UpdateStackOutput, error) {
	var changed []string
	parameters, tags := map[string]string{}, map[string]string{}
	for _, p := range in.Parameters {
		parameters[*p.ParameterKey] = *p.ParameterValue
		if old, ok := m.parameters[*p.ParameterKey]; !ok || old != *p.ParameterValue {
			changed = append(changed, *p.ParameterKey)
		}
	}
	for _, tag := range in.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if !maps.Equal(tags, m.tags) {
		changed = append(changed, "tags")
	}
	if *in.TemplateBody != m.template {
		what := "template"
		if strings.Contains(*in.TemplateBody, "Launch") {
			what += ": " + *in.TemplateBody
		}
		changed = append(changed, what)
	}
	slices.Sort(changed)
	m.updates = append(m.updates, changed)
	token := aws.ToString(in.ClientRequestToken)
	stays := aws.ToBool(in.DisableRollback)
	if stays {
		m.stayed = append(m.stayed, len(m.updates))
	}
	if len(m.updates) == m.fails {
		m.status = types.StackStatusUpdateRollbackComplete
		if stays {
			// CloudFormation shows what was tried.
			m.status, m.parameters = types.StackStatusUpdateFailed, parameters
		}
		m.events = append([]types.StackEvent{event(token, "Cluster", "UPDATE_FAILED", "no")}, m.events...)
		return &cloudformation.UpdateStackOutput{}, nil
	}
	m.status, m.parameters, m.tags, m.template = types.StackStatusUpdateComplete, parameters, tags, *in.TemplateBody
	m.events = append([]types.StackEvent{event(token, name, "UPDATE_COMPLETE", "")}, m.events...)
	return &cloudformation.UpdateStackOutput{}, nil
}

// tagged is a template with something beside a part of it.
func tagged(beside, tag string) string {
	return `{"Parameters":{"Access":{},"Cidrs":{},"Disk":{},"Size":{},"Version":{}},"Resources":{"Launch":{"Beside":"` + beside + `","Tags":[{"Key":"k","Value":"` + tag + `"}]}}}`
}

// The kinds of a cluster: the version alone and first, the rest last.
func TestKinds(t *testing.T) {
	const (
		old   = `{"Parameters":{"Size":{},"Version":{},"Access":{},"Cidrs":{},"Disk":{}},"Resources":{}}`
		newer = `{"Parameters":{"Size":{},"Version":{},"Access":{},"Cidrs":{},"Disk":{},"Support":{"Default":"STANDARD"}},"Resources":{}}`
	)
	live := map[string]string{"Size": "1", "Version": "1.35", "Access": "true", "Cidrs": "a", "Disk": "x"}
	lastRest := []stack.Kind{{Parameters: []string{"Version"}}, {Parameters: []string{"Access", "Cidrs"}}, {Rest: true}}
	withTags := []stack.Kind{{Parameters: []string{"Size"}, Rest: true}, {Parameters: []string{"Disk"}, Paths: []string{"Resources/Launch/Tags"}}, {Parameters: []string{"Version"}}}
	firstRest := []stack.Kind{{Parameters: []string{"Disk"}, Replaces: true}, {Parameters: []string{"Size"}, Rest: true}, {Parameters: []string{"Version", "Support"}}}
	cases := map[string]struct {
		reason   string
		kinds    []stack.Kind
		status   types.StackStatus
		template string
		live     string
		want     map[string]string
		tags     map[string]string
		fails    int
		updates  [][]string
		code     fault.Code
		message  string
	}{
		"Nothing":      {reason: "a re-apply makes no mutating call", kinds: lastRest},
		"NoKinds":      {reason: "everything travels at once", want: map[string]string{"Version": "1.36", "Access": "false"}, tags: map[string]string{"a": "1"}, updates: [][]string{{"Access", "Version", "tags"}}},
		"One":          {reason: "one kind is one update", kinds: lastRest, want: map[string]string{"Access": "false", "Cidrs": ""}, updates: [][]string{{"Access", "Cidrs"}}},
		"All":          {reason: "the version travels alone, on the template that is live", kinds: lastRest, template: newer, want: map[string]string{"Version": "1.36", "Access": "false", "Size": "2"}, tags: map[string]string{"a": "1"}, updates: [][]string{{"Version"}, {"Access"}, {"Size", "tags", "template"}}},
		"Template":     {reason: "a template is a kind, too", kinds: lastRest, template: newer, want: map[string]string{"Version": "1.36"}, updates: [][]string{{"Version"}, {"template"}}},
		"RestFirst":    {reason: "tags before the version", kinds: firstRest, template: newer, want: map[string]string{"Version": "1.36", "Size": "2"}, tags: map[string]string{"a": "1"}, updates: [][]string{{"Size", "tags", "template"}, {"Version"}}},
		"NewParameter": {reason: "a parameter that the live template does not know comes with the new one", kinds: firstRest, template: newer, want: map[string]string{"Support": "EXTENDED", "Version": "1.36"}, updates: [][]string{{"Support", "template"}, {"Version"}}},
		"Replacement":  {reason: "what is made anew has nothing to be combined with", kinds: firstRest, want: map[string]string{"Disk": "y", "Version": "1.36", "Size": "2"}, updates: [][]string{{"Disk", "Size", "Version"}}},
		"Part":         {reason: "a part of the template is of its kind", kinds: withTags, live: tagged("a", "old"), template: tagged("a", "new"), updates: [][]string{{"template: " + tagged("a", "new")}}},
		"Parts": {
			reason: "and travels with it: after the rest, which takes the live part along, and before the version", kinds: withTags, live: tagged("a", "old"), template: tagged("b", "new"),
			want:    map[string]string{"Version": "1.36", "Disk": "y"},
			updates: [][]string{{"template: " + tagged("b", "old")}, {"Disk", "template: " + tagged("b", "new")}, {"Version"}},
		},
		"NewPart":       {reason: "a part that the live template does not have comes with the rest", kinds: withTags, template: tagged("a", "new"), want: map[string]string{"Disk": "y"}, updates: [][]string{{"template: " + tagged("a", "new")}, {"Disk"}}},
		"AfterRollback": {reason: "an older run's failure is tried again", kinds: lastRest, status: "UPDATE_ROLLBACK_COMPLETE", want: map[string]string{"Version": "1.36"}, updates: [][]string{{"Version"}}},
		"FirstFails":    {reason: "no further kind is tried", kinds: lastRest, want: map[string]string{"Version": "1.36", "Size": "2"}, fails: 1, updates: [][]string{{"Version"}}, code: fault.Failed, message: "Cluster failed: no"},
		"SecondFails":   {reason: "its own events are the cause", kinds: lastRest, want: map[string]string{"Version": "1.36", "Size": "2"}, fails: 2, updates: [][]string{{"Version"}, {"Size"}}, code: fault.Failed, message: "Cluster failed: no"},
		"NoRest":        {reason: "a difference that is of no kind would never be made", kinds: lastRest[:2], code: fault.Internal},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			m := &made{status: "CREATE_COMPLETE", parameters: maps.Clone(live), tags: map[string]string{}, fails: tc.fails}
			if tc.status != "" {
				m.status = tc.status
			}
			m.template = old
			if tc.live != "" {
				m.template = tc.live
			}
			s := stack.Spec{Name: name, Template: m.template, Parameters: maps.Clone(live), Tags: tc.tags, Kinds: tc.kinds, Execution: "arn:execution", Since: since}
			if tc.template != "" {
				s.Template = tc.template
			}
			maps.Copy(s.Parameters, tc.want)
			var err error
			// A second invocation has to find its way back.
			for range 2 {
				m.now = after
				_, err = stack.New(m, stack.Options{
					Now: func() time.Time { return m.now }, Jitter: func(d time.Duration) time.Duration { return d },
					Wait: func(_ context.Context, d time.Duration) error { m.now = m.now.Add(d); return nil },
				}).Converge(t.Context(), s)
			}
			if diff := cmp.Diff(tc.updates, m.updates); diff != "" {
				t.Errorf("%s: updates: -want +got:\n%s", tc.reason, diff)
			}
			if fault.CodeOf(err) != tc.code || err != nil && !strings.Contains(err.Error(), tc.message) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.code)
			}
		})
	}
}

// A failed upgrade is not taken back, by CloudFormation or by us, and the next run makes it again.
func TestStays(t *testing.T) {
	const body = `{"Parameters":{"Version":{},"Size":{}},"Resources":{}}`
	m := &made{status: "UPDATE_COMPLETE", parameters: map[string]string{"Version": "1.35", "Size": "1"}, tags: map[string]string{}, fails: 1}
	m.template = body
	s := stack.Spec{
		Name: name, Template: body, Parameters: map[string]string{"Version": "1.36", "Size": "2"}, Execution: "arn:execution", Since: since,
		Kinds: []stack.Kind{{Parameters: []string{"Version"}, Stays: true}, {Rest: true}},
	}
	converge := func() error {
		m.now = after
		_, err := stack.New(m, stack.Options{
			Now: func() time.Time { return m.now }, Jitter: func(d time.Duration) time.Duration { return d },
			Wait: func(_ context.Context, d time.Duration) error { m.now = m.now.Add(d); return nil },
		}).Converge(t.Context(), s)
		return err
	}
	for range 2 {
		if err := converge(); fault.CodeOf(err) != fault.Failed || !strings.Contains(err.Error(), "ended as UPDATE_FAILED: AWS::EC2::Cluster Cluster failed: no") {
			t.Fatalf("the first run: %v", err)
		}
	}
	s.Execution = "arn:another"
	if err := converge(); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	// The second update has the parameters of the first, which CloudFormation shows as the stack's.
	if diff := cmp.Diff([][]string{{"Version"}, nil, {"Size"}}, m.updates); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2}, m.stayed); diff != "" {
		t.Errorf("updates whose rollback was disabled (-want +got):\n%s", diff)
	}
	if len(m.calls) > 0 {
		t.Errorf("a rollback would take the cluster back: %v", m.calls)
	}
}

// What the world moves is sent with another change, and is none alone.
func TestFollows(t *testing.T) {
	const old, newer = `{"Parameters":{"Size":{},"Version":{}},"Resources":{}}`, `{"Parameters":{"Size":{},"Version":{}},"Resources":{"A":{}}}`
	sizeFirst := []stack.Kind{{Parameters: []string{"Size"}, Rest: true}, {Parameters: []string{"Version"}}}
	cases := map[string]struct {
		reason   string
		kinds    []stack.Kind
		template string
		want     map[string]string
		updates  [][]string
	}{
		"Alone":     {reason: "a re-apply makes no mutating call, whatever an autoscaler has done", kinds: sizeFirst, template: old, want: map[string]string{"Size": "4"}},
		"NoKinds":   {reason: "as above", template: old, want: map[string]string{"Size": "4"}},
		"Beside":    {reason: "an update that sends the size sends the live one", kinds: sizeFirst, template: old, want: map[string]string{"Size": "4", "Version": "1.36"}, updates: [][]string{{"Size"}, {"Version"}}},
		"Template":  {reason: "a template is a change", template: newer, want: map[string]string{"Size": "4"}, updates: [][]string{{"Size", "template"}}},
		"Unchanged": {reason: "nothing has moved", kinds: sizeFirst, template: old, want: map[string]string{"Version": "1.36"}, updates: [][]string{{"Version"}}},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			live := map[string]string{"Size": "2", "Version": "1.35"}
			m := &made{status: "CREATE_COMPLETE", parameters: maps.Clone(live), tags: map[string]string{}}
			m.template, m.now = old, after
			s := stack.Spec{Name: name, Template: tc.template, Parameters: live, Kinds: tc.kinds, Follows: []string{"Size"}, Execution: "arn:execution", Since: since}
			maps.Copy(s.Parameters, tc.want)
			_, err := stack.New(m, stack.Options{
				Now: func() time.Time { return m.now }, Wait: func(_ context.Context, d time.Duration) error { m.now = m.now.Add(d); return nil },
			}).Converge(t.Context(), s)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.updates, m.updates); diff != "" {
				t.Errorf("%s: updates: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFixed(t *testing.T) {
	cases := map[string]struct {
		reason string
		looks  []*types.Stack
		code   fault.Code
		calls  []string
	}{
		"Other":  {"a replacement under a living cluster", []*types.Stack{live("UPDATE_COMPLETE", cidr("10.9.0.0/16"))}, fault.Conflict, nil},
		"Same":   {"nothing changes", []*types.Stack{live("UPDATE_COMPLETE")}, "", nil},
		"Failed": {"a stack that never worked is made anew", []*types.Stack{live("ROLLBACK_COMPLETE", cidr("10.9.0.0/16")), nil, live("CREATE_COMPLETE", created(after))}, "", []string{"DeleteStack", "CreateStack"}},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			s := spec()
			s.Fixed = []string{"VpcCidr", "NotThere"}
			c := &cloud{looks: tc.looks}
			_, err := c.engine(t).Converge(t.Context(), s)
			if fault.CodeOf(err) != tc.code {
				t.Errorf("%s: want %q, got %v", tc.reason, tc.code, err)
			}
			if diff := cmp.Diff(tc.calls, c.calls); diff != "" {
				t.Errorf("%s: calls: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestGiven(t *testing.T) {
	cases := map[string]struct {
		reason string
		looks  []*types.Stack
		calls  []string
	}{
		"Other":  {"another's stack is left as it was made", []*types.Stack{live("CREATE_COMPLETE", cidr("10.9.0.0/16"))}, nil},
		"Moving": {"also when another is making it", []*types.Stack{live("CREATE_IN_PROGRESS", cidr("10.9.0.0/16")), live("CREATE_COMPLETE", cidr("10.9.0.0/16"))}, nil},
		"Failed": {"a stack that is made anew keeps nothing", []*types.Stack{live("ROLLBACK_COMPLETE", cidr("10.9.0.0/16")), nil, live("CREATE_COMPLETE", created(after))}, []string{"DeleteStack", "CreateStack"}},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			s := spec()
			s.Given = []string{"VpcCidr", "NotThere"}
			c := &cloud{looks: tc.looks}
			if _, err := c.engine(t).Converge(t.Context(), s); err != nil {
				t.Errorf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.calls, c.calls); diff != "" {
				t.Errorf("%s: calls: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKept(t *testing.T) {
	gone := []types.StackStatus{
		"CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED", "REVIEW_IN_PROGRESS",
	}
	for _, status := range types.StackStatus("").Values() {
		if got := (stack.Description{Status: status}).Kept(); got == slices.Contains(gone, status) {
			t.Errorf("%s: got %v", status, got)
		}
	}
}

func TestLastEvent(t *testing.T) {
	newer := event("", name, "UPDATE_COMPLETE", "")
	newer.Timestamp = aws.Time(after.Add(time.Minute))
	c := &cloud{pages: [][]types.StackEvent{{newer, event("", name, "UPDATE_IN_PROGRESS", "")}, {event("", name, "CREATE_COMPLETE", "")}}}
	if got, err := c.engine(t).LastEvent(t.Context(), name); err != nil || !got.Equal(after.Add(time.Minute)) {
		t.Errorf("want the newest event's time, got %s, %v", got, err)
	}
	if got, err := (&cloud{}).engine(t).LastEvent(t.Context(), name); err != nil || !got.IsZero() {
		t.Errorf("want no time without events, got %s, %v", got, err)
	}
}
