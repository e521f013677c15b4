// Package cluster converges the EKS control plane with its OIDC provider and access entries.
package cluster

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
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
	live, err := LiveVersion(ctx, eks.NewFromConfig(t.Config), in.State.Names.Cluster)
	if err != nil {
		return nil, err
	}
	version, err := versionToRun(in.State.Request.KubernetesVersion, live)
	if err != nil {
		return nil, err
	}
	spec := t.Spec(in.State.Names.ClusterStack, templates.Cluster, Parameters(in.State, version))
	spec.Policy = templates.ClusterPolicy
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Cluster{
		Progress:        environment.Progress{Change: out.Change},
		ARN:             out.Outputs["ClusterArn"],
		Endpoint:        out.Outputs["Endpoint"],
		Version:         version,
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

type describer interface {
	DescribeCluster(ctx context.Context, in *eks.DescribeClusterInput, opts ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

// LiveVersion returns the Kubernetes version that the cluster called name runs, and "" if there is
// no such cluster.
func LiveVersion(ctx context.Context, api describer, name string) (string, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if notFound(err) {
		return "", nil
	}
	if err != nil {
		return "", account.Classify(err, "describe cluster %s", name)
	}
	return aws.ToString(out.Cluster.Version), nil
}

// notFound knows both forms in which EKS says that a cluster does not exist
// (aws-traps.md, row 1.8).
func notFound(err error) bool {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return true
	}
	var client *types.ClientException
	return errors.As(err, &client) && strings.Contains(aws.ToString(client.Message), "No cluster found for name")
}

// versionToRun is the higher of the requested and the live version. EKS upgrades clusters on its
// own at the end of support, and since version rollback exists a lower version in a stack update
// may really downgrade the control plane (aws-traps.md, row 1.9).
func versionToRun(requested, live string) (string, error) {
	if live == "" {
		return requested, nil
	}
	want, err := minor(requested)
	if err != nil {
		return "", err
	}
	have, err := minor(live)
	if err != nil {
		return "", err
	}
	if want > have+1 {
		return "", fault.New(fault.InvalidRequest, "the cluster runs Kubernetes %s, and EKS upgrades one minor version at a time: %s is %d away", live, requested, want-have).
			WithField("/kubernetesVersion").WithNext("ask for 1.%d first", have+1)
	}
	if want < have {
		return live, nil
	}
	return requested, nil
}

func minor(version string) (int, error) {
	text, ok := strings.CutPrefix(version, "1.")
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		return 0, fault.New(fault.InvalidRequest, "%q is not a Kubernetes minor version such as \"1.36\"", version).WithField("/kubernetesVersion")
	}
	return n, nil
}
