// Package egress converges the ways out of an environment's VPC: NAT gateways, VPC endpoints and the
// flow log. Of a VPC that is there already it changes nothing. It runs beside the cluster; what starts nodes or pods has to wait for it.
package egress

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// Stage is the Egress stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the egress stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Egress, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if in.State.Request.ExistingVPC() {
		return runExisting(ctx, t, in)
	}
	out, err := t.Converge(ctx, in.State.Names.EgressStack, templates.Egress, Parameters(in.State))
	if err != nil {
		return nil, err
	}
	return &environment.Egress{
		Progress:           out.Progress(),
		NATGatewayIDs:      strings.Split(out.Outputs["NatGatewayIds"], ","),
		PublicIPs:          strings.Split(out.Outputs["PublicIps"], ","),
		InterfaceEndpoints: in.State.Request.InterfaceEndpoints,
		FlowLogGroup:       out.Outputs["FlowLogGroup"],
	}, nil
}

// Parameters are the egress template's parameters for st.
func Parameters(st environment.State) map[string]string {
	parameters := map[string]string{
		"Prefix":               st.Request.Prefix,
		"Name":                 st.Request.Name,
		"PermissionsBoundary":  st.Request.PermissionsBoundary,
		"VpcId":                st.Network.VPCID,
		"VpcCidr":              st.Request.CIDR,
		"ZoneCount":            strconv.Itoa(len(st.Network.PrivateSubnetIDs)),
		"NatGateways":          st.Request.NATGateways,
		"PublicSubnetIds":      strings.Join(st.Network.PublicSubnetIDs, ","),
		"PrivateSubnetIds":     strings.Join(st.Network.PrivateSubnetIDs, ","),
		"PrivateRouteTableIds": strings.Join(st.Network.PrivateRouteTableIDs, ","),
		"RouteTableIds":        strings.Join(append([]string{st.Network.PublicRouteTableID}, st.Network.PrivateRouteTableIDs...), ","),
	}
	want(parameters, st.Request.InterfaceEndpoints)
	return parameters
}

// want adds for every service whether it gets an endpoint.
func want(parameters map[string]string, endpoints []string) {
	for _, service := range environment.InterfaceEndpoints() {
		parameters[environment.EndpointParameter(service)] = strconv.FormatBool(slices.Contains(endpoints, service))
	}
}
