package target_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// nowhere is an account that is never called.
type nowhere struct{}

func (nowhere) Connect(context.Context, account.Target) (aws.Config, error) { return aws.Config{}, nil }

var _ target.Connector = (*account.Connector)(nil)

func TestSpec(t *testing.T) {
	entered := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	state := func(bootstrap *environment.Bootstrap, tags map[string]string) environment.State {
		return environment.State{
			Execution: environment.Execution{ARN: "arn:execution"},
			Request:   environment.Request{Tags: tags},
			Names:     environment.Names{Environment: "opa-dev"},
			Bootstrap: bootstrap,
		}
	}
	cases := map[string]struct {
		reason string
		state  environment.State
		tags   map[string]string
		role   string
	}{
		"First":    {"before the bootstrap stage there is no service role", state(nil, nil), map[string]string{"eks-environment": "opa-dev"}, ""},
		"Later":    {"CloudFormation works with the service role", state(&environment.Bootstrap{ServiceRoleARN: "arn:role"}, nil), map[string]string{"eks-environment": "opa-dev"}, "arn:role"},
		"Tagged":   {"the request's tags reach the stack", state(nil, map[string]string{"team": "a"}), map[string]string{"team": "a", "eks-environment": "opa-dev"}, ""},
		"Override": {"our tag marks what is ours, whatever the request says", state(nil, map[string]string{"eks-environment": "x"}), map[string]string{"eks-environment": "opa-dev"}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			connected, err := target.Connect(t.Context(), nowhere{}, stage.Input{State: tc.state, Entered: entered})
			if err != nil {
				t.Fatal(err)
			}
			got := connected.Spec("s", "{}", map[string]string{"A": "1"})
			want := stack.Spec{
				Name: "s", Template: "{}", Parameters: map[string]string{"A": "1"},
				Tags: tc.tags, RoleARN: tc.role, Execution: "arn:execution", Since: entered,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if tags := tc.state.Request.Tags; len(tags) > 1 {
				t.Errorf("%s: the request's own tags became %v", tc.reason, tags)
			}
		})
	}
}
