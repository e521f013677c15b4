package preflight

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// describer is what the stage needs of the stacks.
type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// zoneAPI is what the stage needs of EC2 to know the zones of a new VPC.
type zoneAPI interface {
	DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesInput, opts ...func(*ec2.Options)) (*ec2.DescribeAvailabilityZonesOutput, error)
}

// subject reads what there is of r's environment, and chooses its Kubernetes version. asked is r
// without its defaults.
func (s *Stage) subject(ctx context.Context, cfg aws.Config, e environment.Execution, asked, r environment.Request) (subject, []finding.Finding, error) {
	look := subject{
		platform: s.base, platformAccount: accountOf(e.ARN),
		config: cfg, request: r, names: environment.NamesOf(r), describer: s.stacks(cfg),
		stacks: map[string]stack.Description{}, statuses: map[string]types.StackStatus{},
	}
	offer, err := readOffer(ctx, s.versions(cfg), r, s.layers)
	if err != nil {
		return look, nil, err
	}
	look.live = offer.live
	for _, name := range append(look.names.Stacks(), look.names.BootstrapStack, environment.DeleteHookStack) {
		live, ok, err := look.describer.Describe(ctx, name)
		if err != nil {
			return look, nil, err
		}
		if ok {
			look.statuses[name] = live.Status
		}
		if ok && live.Kept() {
			look.stacks[name] = live
		}
	}
	if look.zones, err = s.zonesOf(ctx, look); err != nil {
		return look, nil, err
	}
	var found []finding.Finding
	look.request.KubernetesVersion, found = offer.choose(asked, r)
	return look, found, nil
}

// accountOf is the account in an ARN, empty where there is none.
func accountOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// zonesOf returns the zones of the environment's own VPC: those it has, or those that Network will choose.
func (s *Stage) zonesOf(ctx context.Context, look subject) ([]string, error) {
	if look.request.VPCConfiguration != environment.VPCCreateNew {
		return nil, nil
	}
	if chosen := look.stacks[look.names.NetworkStack].Parameters["AvailabilityZones"]; chosen != "" {
		return strings.Split(chosen, ","), nil
	}
	return network.Zones(ctx, s.zones(look.config), look.request.Region)
}
