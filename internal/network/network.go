// Package network converges the network core: VPC, subnets, routes and security groups, or the groups
// alone in a VPC that is there already. What gives the subnets a way out is the Egress stage's, so that
// the cluster need not wait for it.
package network

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// Stage is the Network stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges the network stack.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Network, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	if in.State.Request.ExistingVPC() {
		return runExisting(ctx, t, ec2.NewFromConfig(t.Config), in)
	}
	engine := t.Stacks
	name := in.State.Names.NetworkStack

	// The zones are chosen once: a zone that AWS adds later must not move the subnets.
	zones, err := chosenZones(ctx, engine, name)
	if err != nil {
		return nil, err
	}
	if zones == nil {
		if zones, err = Zones(ctx, ec2.NewFromConfig(t.Config), in.State.Request.Region); err != nil {
			return nil, err
		}
	}
	parameters, err := Parameters(in.State.Request, zones)
	if err != nil {
		return nil, err
	}
	out, err := t.Converge(ctx, name, templates.Network, parameters)
	if err != nil {
		return nil, err
	}
	private := strings.Split(out.Outputs["PrivateSubnetIds"], ",")
	return &environment.Network{
		Progress:                    out.Progress(),
		VPCID:                       out.Outputs["VpcId"],
		Blocks:                      []string{in.State.Request.CIDR},
		PublicSubnetIDs:             strings.Split(out.Outputs["PublicSubnetIds"], ","),
		PrivateSubnetIDs:            private,
		EndpointSubnetIDs:           private,
		PublicRouteTableID:          out.Outputs["PublicRouteTableId"],
		PrivateRouteTableIDs:        strings.Split(out.Outputs["PrivateRouteTableIds"], ","),
		ControlPlaneSecurityGroupID: out.Outputs["ControlPlaneSecurityGroupId"],
		KubectlSecurityGroupID:      out.Outputs["KubectlSecurityGroupId"],
	}, nil
}

// Parameters are the network template's parameters for r in the given zones.
func Parameters(r environment.Request, zones []string) (map[string]string, error) {
	cidr, err := netip.ParsePrefix(r.CIDR)
	if err != nil {
		return nil, fault.Wrap(fault.InvalidRequest, err, "cannot read the VPC's address block").WithField("/cidr")
	}
	public, private, err := environment.Subnets(cidr, len(zones))
	if err != nil {
		return nil, fault.Wrap(fault.InvalidRequest, err, "cannot divide the VPC's address block").WithField("/cidr")
	}
	return map[string]string{
		"Prefix":             r.Prefix,
		"Name":               r.Name,
		"VpcCidr":            r.CIDR,
		"AvailabilityZones":  strings.Join(zones, ","),
		"ZoneCount":          strconv.Itoa(len(zones)),
		"PublicSubnetCidrs":  join(public),
		"PrivateSubnetCidrs": join(private),
	}, nil
}

func join(blocks []netip.Prefix) string {
	text := make([]string, len(blocks))
	for i, b := range blocks {
		text[i] = b.String()
	}
	return strings.Join(text, ",")
}

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// chosenZones returns the zones of the stack as it exists, nil where there is none.
func chosenZones(ctx context.Context, engine describer, name string) ([]string, error) {
	existing, ok, err := engine.Describe(ctx, name)
	if err != nil || !ok || existing.Parameters["AvailabilityZones"] == "" {
		return nil, err
	}
	return strings.Split(existing.Parameters["AvailabilityZones"], ","), nil
}

const (
	minZones = 2
	maxZones = 3
)

type zoneAPI interface {
	DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesInput, opts ...func(*ec2.Options)) (*ec2.DescribeAvailabilityZonesOutput, error)
}

// Zones picks up to three zones in the order of their ids, because a zone's name means another
// place in each account.
func Zones(ctx context.Context, api zoneAPI, region string) ([]string, error) {
	out, err := api.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{
		Filters: []types.Filter{
			{Name: aws.String("state"), Values: []string{"available"}},
			{Name: aws.String("zone-type"), Values: []string{"availability-zone"}},
		},
	})
	if err != nil {
		return nil, account.Classify(err, "list the availability zones of %s", region)
	}
	zones := slices.DeleteFunc(out.AvailabilityZones, func(z types.AvailabilityZone) bool {
		id := aws.ToString(z.ZoneId)
		return vpc.RefusedByEKS(id) || vpc.RefusedByFargate(id)
	})
	slices.SortFunc(zones, func(a, b types.AvailabilityZone) int {
		return strings.Compare(aws.ToString(a.ZoneId), aws.ToString(b.ZoneId))
	})
	if len(zones) < minZones {
		return nil, fault.New(fault.PreflightFailed, "region %s offers this account %d zones that EKS accepts, and a cluster needs %d", region, len(zones), minZones).
			WithField("/awsRegion")
	}
	names := make([]string, 0, maxZones)
	for _, z := range zones[:min(len(zones), maxZones)] {
		names = append(names, aws.ToString(z.ZoneName))
	}
	return names, nil
}
