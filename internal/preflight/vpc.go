package preflight

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// existingVPC looks at the VPC that the request names.
func existingVPC(ctx context.Context, s subject) ([]finding.Finding, error) {
	if !s.request.ExistingVPC() {
		return nil, nil
	}
	before := s.stacks[s.names.NetworkStack].Parameters
	if s.exists(s.names.NetworkStack) && before["VpcId"] != s.request.VPCID {
		return nil, nil // another VPC is refused, whatever it is like
	}
	earlier := vpc.Earlier(before)
	return vpc.Survey(ctx, ec2.NewFromConfig(s.config), s.request, earlier, s.live != "")
}

// endpointServices looks whether the zones of a VPC of the environment's own have the services that it
// gets interface endpoints for.
func endpointServices(ctx context.Context, s subject) ([]finding.Finding, error) {
	return vpc.Offered(ctx, ec2.NewFromConfig(s.config), s.request, s.request.InterfaceEndpoints, s.zones)
}
