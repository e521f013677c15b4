// Package harmonix registers an environment with Harmonix: it converges the provider stack, whose
// outputs and SSM parameters are what an unmodified Harmonix reads (harmonix-contract.md,
// sections 2.9 and 2.10).
package harmonix

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

// Stage is the Register stage.
type Stage struct{ connector connector }

// New returns the stage.
func New(c connector) *Stage { return &Stage{connector: c} }

// Run converges the provider stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Provider, error) {
	cfg, err := s.connector.Connect(ctx, account.TargetOf(in.State.Request))
	if err != nil {
		return nil, err
	}
	spec := in.Spec(in.State.Names.ProviderStack, templates.Provider, Parameters(in.State))
	out, err := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{}).Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Provider{
		Progress: environment.Progress{Change: out.Change},
		Outputs:  out.Outputs,
	}, nil
}

// Parameters are the provider template's parameters for st.
func Parameters(st environment.State) map[string]string {
	return map[string]string{
		"Prefix":              st.Request.Prefix,
		"Name":                st.Request.Name,
		"UniqueId":            st.Names.UniqueID,
		"NodeType":            st.Request.NodeType,
		"VpcId":               st.Network.VPCID,
		"PublicSubnetIds":     strings.Join(st.Network.PublicSubnetIDs, ","),
		"PrivateSubnetIds":    strings.Join(st.Network.PrivateSubnetIDs, ","),
		"KeyArn":              st.Identity.KeyARN,
		"AuditTable":          st.Identity.AuditTable,
		"ClusterArn":          st.Cluster.ARN,
		"OperationsRoleArn":   st.Identity.OperationsRoleARN,
		"ProvisioningRoleArn": st.Identity.ProvisioningRoleARN,
		"ControlPlaneRoleArn": st.Identity.ControlPlaneRoleARN,
		"ClusterAdminRoleArn": st.Identity.ClusterAdminRoleARN,
		"KubectlRoleArn":      st.Identity.KubectlRoleARN,
		"KubectlFunctionArn":  st.Kubectl.FunctionARN,
		"PodExecutionRoleArn": st.Identity.PodExecutionRoleARN,
		"NodeRoleArn":         st.Identity.NodeRoleARN,
	}
}
