// Package addonroles converges the IAM roles that the add-ons' service accounts assume. They stand
// in a stack of their own between cluster and add-ons: their trust policies name the cluster's
// issuer, and a role needs time to be known everywhere.
package addonroles

import (
	"context"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the AddonRoles stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the add-on roles' stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.AddonRoles, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	out, err := t.Converge(ctx, in.State.Names.AddonRolesStack, templates.AddonRoles, Parameters(in.State))
	if err != nil {
		return nil, err
	}
	return &environment.AddonRoles{
		Progress:                      out.Progress(),
		LoadBalancerControllerRoleARN: out.Outputs["LoadBalancerControllerRoleArn"],
		FluentBitRoleARN:              out.Outputs["FluentBitRoleArn"],
	}, nil
}

// Parameters are the template's parameters for st.
func Parameters(st environment.State) map[string]string {
	return map[string]string{
		"Prefix":              st.Request.Prefix,
		"Name":                st.Request.Name,
		"PermissionsBoundary": st.Request.PermissionsBoundary,
		"NodeType":            st.Request.NodeType,
		"Issuer":              st.Cluster.Issuer,
		"OidcProviderArn":     st.Cluster.OIDCProviderARN,
	}
}
