// Package identity converges who and with which keys: KMS keys, the audit table and the IAM roles
// of an environment. They stand in a stack of their own, made before anything uses them, because
// a role needs time to be known everywhere (aws-traps.md, row 1.48).
package identity

import (
	"context"
	"strings"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Identity stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the identity stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Identity, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	out, err := t.Converge(ctx, in.State.Names.IdentityStack, templates.Identity, Parameters(in.State.Request))
	if err != nil {
		return nil, err
	}
	return &environment.Identity{
		Progress:            out.Progress(),
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
		"Prefix":                    r.Prefix,
		"Name":                      r.Name,
		"PermissionsBoundary":       r.PermissionsBoundary,
		"PlatformRole":              r.PlatformRole,
		"PipelineRole":              r.PipelineRole,
		"ClusterAdminRole":          r.ClusterAdminRole,
		"ClusterAdminTrust":         strings.Join(r.ClusterAdminTrust, ","),
		"ClusterAdminTrustAccounts": strings.Join(r.TrustedAccounts(), ","),
		"NodeType":                  r.NodeType,
		"AssumableRoles":            strings.Join(r.AssumableRoles, ","),
		"ChartObject":               chartObject(r.Chart),
		"VpcId":                     r.VPCID,
	}
}

// chartObject is the chart's place in S3 as "bucket/key", which the kubectl function gets the right to
// read; "" when the chart comes from elsewhere.
func chartObject(c environment.ChartSource) string {
	object, found := strings.CutPrefix(c.Repository, "s3://")
	if !found {
		return ""
	}
	return object
}
