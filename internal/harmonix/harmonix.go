// Package harmonix registers an environment with Harmonix: it converges the provider stack, whose
// outputs and SSM parameters are what an unmodified Harmonix reads (harmonix-contract.md,
// sections 2.9 and 2.10).
package harmonix

import (
	"context"
	"strings"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Register stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the provider stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Provider, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	out, err := t.Converge(ctx, in.State.Names.ProviderStack, templates.Provider, Parameters(in.State))
	if err != nil {
		return nil, err
	}
	return &environment.Provider{
		Progress: out.Progress(),
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
		"PublicSubnetIds":     list(st.Network.PublicSubnetIDs),
		"PrivateSubnetIds":    list(st.Network.PrivateSubnetIDs),
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
		"FluentBitRoleArn":    st.AddonRoles.FluentBitRoleARN,
	}
}

// list is the value of a StringList. An empty one is a single space, as in Harmonix, because SSM takes no
// empty value (harmonix-contract.md, section 2.3).
func list(values []string) string {
	if len(values) == 0 {
		return " "
	}
	return strings.Join(values, ",")
}
