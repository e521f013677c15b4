// Package preflight owns the first stage: it turns an execution's input into the state document,
// or says everything that is wrong with it before anything is created. It reads and never writes,
// and it must not know what the stages make of the request.
//
// The checks are grouped by file; report.go joins what they find.
package preflight

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stack"
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
	base       aws.Config
	connector  connector
	parameters parameterAPI
	versions   func(aws.Config) versionAPI
	stacks     func(aws.Config) describer
	zones      func(aws.Config) zoneAPI
	layers     []string
	trusted    []string
	// starter is the role that delete hooks start deletions with.
	starter string
	checks  []check
	// removals are the checks of a request to remove an environment.
	removals []check
}

// New returns a stage that reads the platform's parameters with base, the function's own
// configuration, and reaches target accounts through c. The orchestrator has a kubectl for the
// Kubernetes minor versions in layers, and lets the accounts in trusted start deletions, as
// the role starter.
func New(base aws.Config, c connector, layers, trusted []string, starter string) *Stage {
	return &Stage{
		base:       base,
		layers:     layers,
		trusted:    trusted,
		starter:    starter,
		connector:  c,
		parameters: ssm.NewFromConfig(base),
		versions:   func(cfg aws.Config) versionAPI { return eks.NewFromConfig(cfg) },
		stacks:     func(cfg aws.Config) describer { return stack.New(cloudformation.NewFromConfig(cfg), stack.Options{}) },
		zones:      func(cfg aws.Config) zoneAPI { return ec2.NewFromConfig(cfg) },
		checks:     checks(),
		removals:   []check{{what: "the permissions of the environment role", look: removingRole}},
	}
}

// Run checks in and returns the state document that every later stage starts from. What is wrong
// with the request itself is said first: nothing can be looked up for a request that is not valid.
func (s *Stage) Run(ctx context.Context, in Input) (environment.State, error) {
	asked, err := environment.Parse(in.Input)
	if err != nil {
		return environment.State{}, err
	}
	if asked.Operation == environment.OperationDelete {
		return s.removal(ctx, in, asked.WithDefaults())
	}
	r, report, err := s.platformRoles(ctx, asked.WithDefaults())
	if err != nil {
		return environment.State{}, err
	}
	cfg, err := s.connector.Connect(ctx, account.TargetOf(r))
	if err != nil {
		return environment.State{}, together(report, subject{}, unreachable(r, err))
	}
	look, found, err := s.subject(ctx, cfg, in.Execution, asked, r)
	report = append(report, found...)
	if err != nil {
		return environment.State{}, together(report, look, err)
	}
	report = append(report, look.request.Warnings()...)
	report = append(report, inspect(ctx, look, s.checks)...)
	report = append(report, deletion(look, s.trusted)...)
	report = append(report, otherOrchestrator(look, s.starter)...)
	if err := refuse(report, look); err != nil {
		return environment.State{}, err
	}
	_, warnings := finding.Split(report)
	return environment.State{
		Execution: in.Execution,
		Request:   look.request,
		Names:     look.names,
		Findings:  append([]finding.Finding{}, warnings...),
	}, nil
}

// removal checks a request to remove an environment: the account has to be reached, by a role that is not
// too old to remove. What would keep an environment from being made must not keep it from being removed.
func (s *Stage) removal(ctx context.Context, in Input, r environment.Request) (environment.State, error) {
	cfg, err := s.connector.Connect(ctx, account.TargetOf(r))
	if err != nil {
		return environment.State{}, unreachable(r, err)
	}
	look := subject{config: cfg, request: r, names: environment.NamesOf(r)}
	report := inspect(ctx, look, s.removals)
	if err := refuseRemoval(report); err != nil {
		return environment.State{}, err
	}
	_, warnings := finding.Split(report)
	return environment.State{
		Execution: in.Execution, Request: r, Names: look.names, Findings: append([]finding.Finding{}, warnings...),
	}, nil
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
		WithNext("check that the role exists, that the orchestrator's EnvironmentRoles name it, that its trust policy names this provider's account, and %s; infra/environment-role.yaml, deployed into account %s, creates such a role", check, r.AccountID)
}
