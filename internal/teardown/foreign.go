package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// othersInVPC finds what others have put into the environment's VPC: it could not be deleted with that
// in it, and whose it is is not ours to decide.
func (i inventory) othersInVPC(ctx context.Context, holds holdings) ([]obstacle, error) {
	id := i.network.vpc
	if id == "" {
		return nil, nil
	}
	looks := []func(context.Context, holdings) ([]string, error){
		func(ctx context.Context, _ holdings) ([]string, error) { return i.balancers.foreign(ctx, id) },
		func(ctx context.Context, _ holdings) ([]string, error) { return i.classic.foreign(ctx, id) },
		i.network.foreignInstances, i.network.foreignEndpoints, i.network.foreignSubnets, i.network.foreignGroups, i.network.foreignInterfaces,
		i.network.foreignRouteTables, i.network.foreignACLs, i.network.foreignNATGateways, i.network.foreignVPNGateways,
		i.network.foreignEgressGateways, i.network.foreignPeerings,
	}
	var foreign []obstacle
	for _, look := range looks {
		found, err := look(ctx, holds)
		if err != nil {
			return nil, err
		}
		for _, what := range found {
			foreign = append(foreign, obstacle{what: what, why: "AWS deletes no VPC that is in use, and in " + id + " there is"})
		}
	}
	return foreign, nil
}

// foreignInstances names the instances in the VPC that do not go with the node group. What an
// autoscaler has started by itself is the cluster's and yet stays when the cluster is gone.
func (n network) foreignInstances(ctx context.Context, _ holdings) ([]string, error) {
	var foreign []string
	for page := ec2.NewDescribeInstancesPaginator(n.api, &ec2.DescribeInstancesInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the instances in VPC %s", n.vpc)
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				tags := vpc.TagsOf(i.Tags)
				over := i.State != nil && (i.State.Name == types.InstanceStateNameTerminated || i.State.Name == types.InstanceStateNameShuttingDown)
				ours := tags[environment.Tag] == n.environment || tags["eks:cluster-name"] == n.cluster && tags["eks:nodegroup-name"] != ""
				if aws.ToString(i.VpcId) != n.vpc || over || ours {
					continue
				}
				foreign = append(foreign, "instance "+aws.ToString(i.InstanceId))
			}
		}
	}
	return foreign, nil
}

func (n network) foreignEndpoints(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::VPCEndpoint")
	for page := ec2.NewDescribeVpcEndpointsPaginator(n.api, &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the endpoints of VPC %s", n.vpc)
		}
		for _, e := range out.VpcEndpoints {
			id := aws.ToString(e.VpcEndpointId)
			over := strings.EqualFold(string(e.State), "deleted") || strings.EqualFold(string(e.State), "deleting")
			if aws.ToString(e.VpcId) != n.vpc || over || slices.Contains(ours, id) || vpc.TagsOf(e.Tags)[managedByGuardDuty] == "true" {
				continue
			}
			foreign = append(foreign, "VPC endpoint "+id)
		}
	}
	return foreign, nil
}

func (n network) foreignSubnets(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::Subnet")
	for page := ec2.NewDescribeSubnetsPaginator(n.api, &ec2.DescribeSubnetsInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the subnets of VPC %s", n.vpc)
		}
		for _, s := range out.Subnets {
			if id := aws.ToString(s.SubnetId); aws.ToString(s.VpcId) == n.vpc && !slices.Contains(ours, id) {
				foreign = append(foreign, "subnet "+id)
			}
		}
	}
	return foreign, nil
}

// foreignGroups names the security groups in the VPC that are nobody's of the environment. The group
// called default goes with the VPC.
func (n network) foreignGroups(ctx context.Context, holds holdings) ([]string, error) {
	var foreign []string
	ours := holds.ids("AWS::EC2::SecurityGroup")
	for page := ec2.NewDescribeSecurityGroupsPaginator(n.api, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the security groups of VPC %s", n.vpc)
		}
		for _, g := range out.SecurityGroups {
			id, tags := aws.ToString(g.GroupId), vpc.TagsOf(g.Tags)
			if aws.ToString(g.VpcId) != n.vpc || aws.ToString(g.GroupName) == "default" || slices.Contains(ours, id) ||
				ofCluster(n.cluster, tags) || tags[managedByGuardDuty] == "true" {
				continue
			}
			foreign = append(foreign, fmt.Sprintf("security group %s (%s)", id, aws.ToString(g.GroupName)))
		}
	}
	return foreign, nil
}

// foreignInterfaces names the interfaces in the VPC that somebody has made and that are attached to
// nothing, and those of services that no environment uses. What else AWS makes, and what an instance has,
// is not looked at here: while the environment works, its own are among them, and not all of them can be
// told from others'.
func (n network) foreignInterfaces(ctx context.Context, _ holdings) ([]string, error) {
	var foreign []string
	for page := ec2.NewDescribeNetworkInterfacesPaginator(n.api, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{n.inside()}}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the network interfaces of VPC %s", n.vpc)
		}
		for _, i := range out.NetworkInterfaces {
			if aws.ToString(i.VpcId) == n.vpc && (somebodys(i) || n.serves(i)) && !ofCluster(n.cluster, vpc.TagsOf(i.TagSet)) {
				foreign = append(foreign, interfaceText(i))
			}
		}
	}
	return foreign, nil
}
