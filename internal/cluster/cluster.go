// Package cluster converges the EKS control plane with its OIDC provider and access entries.
package cluster

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/version"
)

// Stage is the Cluster stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the cluster stack. The version it sends is never below the one that runs.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Cluster, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	// Preflight has decided the version; EKS may have upgraded the cluster since.
	live, err := version.Live(ctx, eks.NewFromConfig(t.Config), in.State.Names.Cluster)
	if err != nil {
		return nil, err
	}
	wanted, err := version.Target(in.State.Request.KubernetesVersion, live)
	if err != nil {
		return nil, err
	}
	before, _, err := t.Stacks.Describe(ctx, in.State.Names.ClusterStack)
	if err != nil {
		return nil, err
	}
	parameters := Parameters(in.State, wanted)
	parameters["SubnetIds"] = inOrder(before.Parameters["SubnetIds"], parameters["SubnetIds"])
	parameters["PublicAccessCidrs"] = blocks(before.Parameters["PublicAccessCidrs"], parameters["PublicAccessCidrs"])
	spec := t.Spec(in.State.Names.ClusterStack, templates.Cluster, parameters)
	spec.Policy, spec.Kinds, spec.Fixed = templates.ClusterPolicy, kinds(), fixed()
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Cluster{
		Progress:        out.Progress(),
		ARN:             out.Outputs["ClusterArn"],
		Endpoint:        out.Outputs["Endpoint"],
		Version:         wanted,
		SecurityGroupID: out.Outputs["ClusterSecurityGroupId"],
		Issuer:          out.Outputs["Issuer"],
		OIDCProviderARN: out.Outputs["OidcProviderArn"],
	}, nil
}

// Parameters are the cluster template's parameters for s at the given Kubernetes version.
func Parameters(s environment.State, version string) map[string]string {
	public := s.Request.APIAccess != environment.APIPrivate
	cidrs := ""
	if public {
		cidrs = strings.Join(s.Request.PublicAccessCIDRs(), ",")
	}
	return map[string]string{
		"Prefix":              s.Request.Prefix,
		"Name":                s.Request.Name,
		"KubernetesVersion":   version,
		"ControlPlaneRoleArn": s.Identity.ControlPlaneRoleARN,
		"SecretsKeyArn":       s.Identity.SecretsKeyARN,
		"SubnetIds":           strings.Join(slices.Concat(s.Network.PublicSubnetIDs, s.Network.PrivateSubnetIDs), ","),
		"SecurityGroupId":     s.Network.ControlPlaneSecurityGroupID,
		"PublicAccess":        strconv.FormatBool(public),
		"PublicAccessCidrs":   cidrs,
		"ClusterAdminRoleArn": s.Identity.ClusterAdminRoleARN,
		"ProvisioningRoleArn": s.Identity.ProvisioningRoleARN,
	}
}

// blocks are the address blocks that are asked for, and the live ones if none are, because the API is not to be
// public any more: CloudFormation refuses to update a cluster without a list that it had
// (https://github.com/aws/aws-cdk/issues/37926).
func blocks(live, asked string) string { return inOrder(live, cmp.Or(asked, live)) }

// inOrder is the list that is asked for, in the order of the live one if both have the same entries. To EKS
// they are the same, and it refuses an update that changes nothing: "Cluster is already at the desired
// configuration" (https://github.com/eksctl-io/eksctl/issues/4043).
func inOrder(live, asked string) string {
	set := func(list string) []string { return slices.Compact(slices.Sorted(strings.SplitSeq(list, ","))) }
	if slices.Equal(set(live), set(asked)) {
		return live
	}
	return asked
}

// kinds are the kinds of a cluster's updates: EKS takes one a call, and an upgrade goes first and
// alone (aws-traps.md, row 1.5). A failed upgrade stays: EKS leaves the cluster on its version by
// itself, and CloudFormation's way back would be a version rollback (row 1.9).
func kinds() []stack.Kind {
	return []stack.Kind{
		{Parameters: []string{"KubernetesVersion"}, Stays: true},
		{Parameters: []string{"PublicAccess", "PublicAccessCidrs"}},
		{Parameters: []string{"SubnetIds", "SecurityGroupId"}},
		{Parameters: []string{"SupportType"}},
		{Rest: true},
	}
}

// fixed are the parameters behind the cluster's create-only properties (aws-traps.md, rows 1.1 to 1.3).
func fixed() []string {
	return []string{"Prefix", "Name", "ControlPlaneRoleArn", "SecretsKeyArn"}
}
