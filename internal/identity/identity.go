// Package identity converges who and with which keys: KMS keys, the audit table and the IAM roles
// of an environment. They stand in a stack of their own, made before anything uses them, because
// a role needs time to be known everywhere (aws-traps.md, row 1.48).
package identity

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type connector interface {
	Connect(ctx context.Context, target account.Target) (aws.Config, error)
}

// Stage is the Identity stage.
type Stage struct{ connector connector }

// New returns the stage.
func New(c connector) *Stage { return &Stage{connector: c} }

// Run converges the identity stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Identity, error) {
	cfg, err := s.connector.Connect(ctx, account.TargetOf(in.State.Request))
	if err != nil {
		return nil, err
	}
	spec := in.Spec(in.State.Names.IdentityStack, templates.Identity, Parameters(in.State.Request))
	out, err := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{}).Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Identity{
		Progress:            environment.Progress{Change: out.Change},
		KeyARN:              out.Outputs["KeyArn"],
		SecretsKeyARN:       out.Outputs["SecretsKeyArn"],
		AuditTable:          out.Outputs["AuditTable"],
		OperationsRoleARN:   out.Outputs["OperationsRoleArn"],
		ProvisioningRoleARN: out.Outputs["ProvisioningRoleArn"],
		ControlPlaneRoleARN: out.Outputs["ControlPlaneRoleArn"],
		ClusterAdminRoleARN: out.Outputs["ClusterAdminRoleArn"],
		KubectlRoleARN:      out.Outputs["KubectlRoleArn"],
		NodeRoleARN:         out.Outputs["NodeRoleArn"],
		PodExecutionRoleARN: out.Outputs["PodExecutionRoleArn"],
	}, nil
}

// Parameters are the identity template's parameters for r.
func Parameters(r environment.Request) map[string]string {
	return map[string]string{
		"Prefix":           r.Prefix,
		"Name":             r.Name,
		"PlatformRole":     r.PlatformRole,
		"PipelineRole":     r.PipelineRole,
		"ClusterAdminRole": r.ClusterAdminRole,
		"NodeType":         r.NodeType,
		"AssumableRoles":   strings.Join(r.AssumableRoles, ","),
	}
}
