package bootstrap

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var (
	_ reader    = (*stack.Engine)(nil)
	_ describer = (*stack.Engine)(nil)
)

// events is a stack whose last event was at a time, or that is not read at all.
type events struct {
	t    *testing.T
	last time.Time
	none bool
}

func (e events) LastEvent(context.Context, string) (time.Time, error) {
	if e.none {
		e.t.Error("the stack's events were read without need")
	}
	return e.last, nil
}

func TestSettled(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		settle time.Duration
		events events
		code   fault.Code
	}{
		"Fresh":     {reason: "not known everywhere yet", settle: 15 * time.Second, events: events{last: now.Add(-4 * time.Second)}, code: fault.InProgress},
		"Settled":   {reason: "long enough ago", settle: 15 * time.Second, events: events{last: now.Add(-15 * time.Second)}},
		"Forgotten": {reason: "a stack without events is old", settle: 15 * time.Second},
		"Off":       {reason: "where IAM knows everything at once", events: events{last: now, none: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.events.t = t
			s := New(nil, nil, Options{Settle: tc.settle, Now: func() time.Time { return now }})
			if err := s.settled(t.Context(), tc.events, "id"); fault.CodeOf(err) != tc.code {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.code)
			}
		})
	}
}

// The state's attempts are as many as last its patience when each has lasted a window.
func TestSettle(t *testing.T) {
	cases := map[string]struct {
		reason        string
		settle, spent time.Duration
		code          fault.Code
		took          time.Duration
	}{
		"Soon":  {"it is looked at again", 15 * time.Second, 0, "", 16 * time.Second},
		"Later": {"an attempt lasts its window", 120 * time.Second, 0, "InProgress", 25 * time.Second},
		"Spent": {"of which the stack has had a part", 120 * time.Second, 20 * time.Second, "InProgress", 5 * time.Second},
		"Over":  {"or all", 120 * time.Second, 26 * time.Second, "InProgress", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := New(nil, nil, Options{Settle: tc.settle})
				err := s.settle(t.Context(), events{t: t, last: start}, "id", start.Add(-tc.spent))
				if code, took := fault.CodeOf(err), time.Since(start); code != tc.code || took != tc.took {
					t.Errorf("%s: %v after %s, want %q after %s", tc.reason, err, took, tc.code, tc.took)
				}
			})
		})
	}
}

// stacks are the statuses of stacks by their names.
type stacks map[string]types.StackStatus

func (s stacks) Describe(_ context.Context, name string) (stack.Description, bool, error) {
	status, ok := s[name]
	// With this entry the provider stack asks the delete hook.
	_, asks := s["asks"]
	parameters := map[string]string{}
	if asks {
		parameters["DeleteHookArn"] = "arn:hook"
	}
	return stack.Description{Status: status, Outputs: map[string]string{"ServiceRoleArn": "arn:role"}, Parameters: parameters}, ok, nil
}

func TestSoundForDeletion(t *testing.T) {
	names := environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})
	cases := map[string]struct {
		reason string
		stacks stacks
		done   bool
		role   string
	}{
		"There":      {"as it is, it does", stacks{"EKS-ENV-Bootstrap": "UPDATE_COMPLETE", names.ClusterStack: "CREATE_COMPLETE"}, true, "arn:role"},
		"Nothing":    {"a deletion of nothing makes nothing", stacks{}, true, ""},
		"Lost":       {"without its service role no stack can be deleted", stacks{names.ClusterStack: "CREATE_COMPLETE"}, false, ""},
		"Broken":     {"as above", stacks{"EKS-ENV-Bootstrap": "ROLLBACK_COMPLETE", names.ProviderStack: "CREATE_COMPLETE"}, false, ""},
		"Unanswered": {"CloudFormation would wait an hour for an answer about the provider stack", stacks{"asks": "", "EKS-ENV-Bootstrap": "UPDATE_COMPLETE", names.ProviderStack: "CREATE_COMPLETE"}, false, ""},
		"Answered":   {"as it is, it does", stacks{"asks": "", "EKS-ENV-Bootstrap": "UPDATE_COMPLETE", "EKS-ENV-Bootstrap-DeleteHook": "CREATE_COMPLETE", names.ProviderStack: "CREATE_COMPLETE"}, true, "arn:role"},
		"Before":     {"a provider stack from before there was a hook asks nobody", stacks{"EKS-ENV-Bootstrap": "UPDATE_COMPLETE", names.ProviderStack: "CREATE_COMPLETE"}, true, "arn:role"},
		"Moving":     {"somebody else's deletion or creation is joined", stacks{"EKS-ENV-Bootstrap": "UPDATE_IN_PROGRESS", names.ProviderStack: "CREATE_COMPLETE"}, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, done, err := sound(t.Context(), tc.stacks, names)
			if err != nil || done != tc.done || done && got.ServiceRoleARN != tc.role {
				t.Errorf("%s: got %v, %t (%v)", tc.reason, got, done, err)
			}
		})
	}
}

// What is not nil and empty lets a failure remove everything, so nothing else may be.
func TestBefore(t *testing.T) {
	request := environment.Request{Prefix: "opa", Name: "dev", Operation: "apply", OnFailure: "delete"}
	names := environment.NamesOf(request)
	with := func(operation, onFailure string) environment.Request {
		r := request
		r.Operation, r.OnFailure = operation, onFailure
		return r
	}
	cases := map[string]struct {
		reason  string
		request environment.Request
		stacks  stacks
		beside  []string
		err     error
		want    []string
		code    fault.Code
	}{
		"Nothing": {reason: "a first creation", request: request, want: []string{}},
		"Stack": {
			reason: "also one that is of no use is something", request: request, stacks: stacks{names.NetworkStack: "ROLLBACK_COMPLETE"},
			want: []string{"stack EKS-ENV-opa-dev-Network"},
		},
		"Provider": {
			reason: "what Harmonix knows is enough", request: request, stacks: stacks{names.ProviderStack: "CREATE_COMPLETE"},
			want: []string{"stack EKS-ENV-opa-dev-Stack"},
		},
		"Beside": {
			reason: "logs of an environment of that name, which a removal has kept", request: request, beside: []string{"log group g"},
			want: []string{"log group g"},
		},
		"Unseen": {
			reason: "what could not be looked at is not nothing", request: request, err: fault.New(fault.AccessDenied, "no"), code: "AccessDenied",
		},
		"Keep":   {reason: "no look is needed", request: with("apply", "keep"), err: fault.New(fault.AccessDenied, "no")},
		"Plan":   {reason: "as above", request: with("plan", "delete"), err: fault.New(fault.AccessDenied, "no")},
		"Delete": {reason: "as above", request: with("delete", "delete"), err: fault.New(fault.AccessDenied, "no")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := New(nil, nil, Options{Leftovers: func(context.Context, aws.Config, environment.Names) ([]string, error) { return tc.beside, tc.err }})
			got, err := s.before(t.Context(), tc.stacks, aws.Config{}, environment.State{Request: tc.request, Names: names})
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: got %v, want %q", tc.reason, err, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" && tc.code == "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// The definition's Pass states hand the section on as JSON: nothing and not looked must stay apart.
func TestBeforeAsJSON(t *testing.T) {
	for want, section := range map[string]environment.Bootstrap{`"before":[]`: {Before: []string{}}, `"artifactBucket":""}`: {}} {
		text, err := json.Marshal(section)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("got %s (%v), want %s", text, err, want)
		}
	}
}
