// Package preflight owns the first stage: it turns an execution's input into the state document,
// or says everything that is wrong with it before anything is created. It reads and never writes,
// and it must not know CloudFormation.
package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Input is what the state machine passes to the stage: there is no state document yet.
type Input struct {
	Execution environment.Execution `json:"execution"`
	// Input is the execution's input as it was sent, whatever that is.
	Input json.RawMessage `json:"input"`
}

// LogAttrs names the execution in every log line.
func (i Input) LogAttrs() []any { return []any{"execution", i.Execution.ARN} }

// connector connects to a target account.
type connector interface {
	Connect(ctx context.Context, t account.Target) (aws.Config, error)
}

// parameterAPI is what the stage needs of SSM, in the provider's own account and region.
type parameterAPI interface {
	GetParameter(ctx context.Context, in *ssm.GetParameterInput, opts ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// Stage checks requests.
type Stage struct {
	connector  connector
	parameters parameterAPI
	versions   func(aws.Config) versionAPI
	layers     []string
}

// New returns a stage that reads the platform's parameters with base, the function's own
// configuration, and reaches target accounts through c. The orchestrator has a kubectl for the
// Kubernetes minor versions in layers.
func New(base aws.Config, c connector, layers []string) *Stage {
	return &Stage{
		layers:     layers,
		connector:  c,
		parameters: ssm.NewFromConfig(base),
		versions:   func(cfg aws.Config) versionAPI { return eks.NewFromConfig(cfg) },
	}
}

// Run checks in and returns the state document that every later stage starts from.
func (s *Stage) Run(ctx context.Context, in Input) (environment.State, error) {
	asked, err := environment.Parse(in.Input)
	if err != nil {
		return environment.State{}, err
	}
	r := asked.WithDefaults()
	r, violations, err := s.platformRoles(ctx, r)
	if err != nil {
		return environment.State{}, err
	}
	offer, err := s.offer(ctx, r)
	if err != nil {
		return environment.State{}, together(violations, err)
	}
	var warnings []string
	r.KubernetesVersion, warnings, violations = offer.choose(asked, r, violations)
	// Where there is a cluster, the role has proved itself or a later stage says what it lacks.
	if r.ClusterAdminRole != "" && offer.live == "" {
		warnings = append(warnings, adminTrust(r))
	}
	if err := environment.Invalid(violations); err != nil {
		return environment.State{}, err
	}
	return environment.State{
		Execution: in.Execution,
		Request:   r,
		Names:     environment.NamesOf(r),
		Warnings:  append(append([]string{}, r.Warnings()...), warnings...),
	}, nil
}

// offer connects to the target account and asks EKS there for its versions.
func (s *Stage) offer(ctx context.Context, r environment.Request) (offer, error) {
	cfg, err := s.connector.Connect(ctx, account.TargetOf(r))
	if err != nil {
		return offer{}, unreachable(r, err)
	}
	return readOffer(ctx, s.versions(cfg), r, s.layers)
}

// unreachable explains an environment role that cannot be assumed. The connector's own code is
// kept, because throttling and a lost connection are retried.
func unreachable(r environment.Request, err error) error {
	f := fault.As(err)
	if f.Code != fault.AccessDenied {
		return err
	}
	with, check := "without an ExternalId", "that it asks for no ExternalId, or send externalId in the request"
	if r.ExternalID != "" {
		with, check = "with the request's externalId", "that it asks for the same ExternalId as the request's externalId"
	}
	cause := err
	if f.Err != nil {
		cause = f.Err
	}
	return fault.Wrap(fault.AccessDenied, cause, "cannot assume the environment role %s in account %s %s; nothing was created", r.EnvironmentRole, r.AccountID, with).
		WithField("/environmentRole").
		WithNext("check that the role exists, that its trust policy names this provider's account, and %s; infra/environment-role.yaml, deployed into account %s, creates such a role", check, r.AccountID)
}

// together returns one error for what is wrong with the request and for err, which stopped
// further checks. A retried code stands alone: the next attempt finds the violations again.
func together(violations []environment.Violation, err error) error {
	f := fault.As(err)
	if len(violations) == 0 || f.Code.Retried() {
		return err
	}
	invalid := fault.As(environment.Invalid(violations))
	invalid.Message += "\n- " + strings.TrimPrefix(fmt.Sprintf("%s: %s", f.Field, f.Message), ": ")
	if f.Next != "" {
		invalid.Next += "; " + f.Next
	}
	return invalid
}
