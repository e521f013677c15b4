package egress

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// runExisting converges the egress stack in a VPC that is there already: the endpoints that the request
// names and the VPC lacks, and the flow log.
func runExisting(ctx context.Context, t *target.Target, in stage.Input) (*environment.Egress, error) {
	endpoints := in.State.Request.InterfaceEndpoints
	if len(endpoints) > 0 {
		v, found, err := vpc.Read(ctx, ec2.NewFromConfig(t.Config), in.State.Network.VPCID)
		if err != nil {
			return nil, err
		}
		if !found {
			r := in.State.Request
			return nil, vpc.Missing(r.VPCID, r.AccountID, r.Region)
		}
		endpoints = v.ToMake(in.State.Request)
	}
	out, err := t.Converge(ctx, in.State.Names.EgressStack, templates.EgressExisting, ExistingParameters(in.State, endpoints))
	if err != nil {
		return nil, err
	}
	return &environment.Egress{
		Progress:           out.Progress(),
		NATGatewayIDs:      []string{},
		PublicIPs:          []string{},
		InterfaceEndpoints: endpoints,
		FlowLogGroup:       out.Outputs["FlowLogGroup"],
	}, nil
}

// ExistingParameters are the parameters of the template for an existing VPC, for st with these endpoints.
func ExistingParameters(st environment.State, endpoints []string) map[string]string {
	parameters := map[string]string{
		"Prefix":              st.Request.Prefix,
		"Name":                st.Request.Name,
		"PermissionsBoundary": st.Request.PermissionsBoundary,
		"VpcId":               st.Network.VPCID,
		"EndpointSubnetIds":   strings.Join(st.Network.EndpointSubnetIDs, ","),
	}
	for i, block := range st.Network.Blocks[:min(len(st.Network.Blocks), vpc.MaxBlocks)] {
		name := "VpcCidr"
		if i > 0 {
			name = fmt.Sprintf("VpcCidr%d", i+1)
		}
		parameters[name] = block
	}
	want(parameters, endpoints)
	return parameters
}
