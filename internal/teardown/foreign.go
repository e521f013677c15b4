package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// obstacle is something that is not the environment's and would stop its removal half-way.
type obstacle struct {
	// what names it, and why says what it stops.
	what, why string
	// remedy is the command that takes it away, empty where there are several ways.
	remedy string
}

// refuse says what is in the way, all of it at once, nil if nothing is.
func refuse(obstacles []obstacle) error {
	if len(obstacles) == 0 {
		return nil
	}
	slices.SortStableFunc(obstacles, func(a, b obstacle) int { return strings.Compare(a.why, b.why) })
	var text, remedies []string
	for i, o := range obstacles {
		if i == 0 || o.why != obstacles[i-1].why {
			text = append(text, o.why+": "+o.what)
		} else {
			text[len(text)-1] += ", " + o.what
		}
		if o.remedy != "" {
			remedies = append(remedies, o.remedy)
		}
	}
	next := "remove it, or move it elsewhere"
	if len(remedies) > 0 {
		next += " (" + strings.Join(remedies, "; ") + ")"
	}
	return fault.New(fault.Conflict, "what is not the environment's would stop its removal half-way. %s", strings.Join(text, ". ")).
		WithNext("%s, then start the same delete again; nothing was removed so far", next)
}

// protection finds the cluster's protection from deletion: no template asks for it, so somebody has
// switched it on, and it is theirs to switch off (aws-traps.md, row 1.16).
func (c cloud) protection(ctx context.Context, api clusterAPI) ([]obstacle, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &c.names.Cluster})
	if awsfault.ClusterMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "describe cluster %s", c.names.Cluster)
	}
	if !aws.ToBool(out.Cluster.DeletionProtection) {
		return nil, nil
	}
	return []obstacle{{
		what: "the deletion protection of " + c.names.Cluster, why: "EKS deletes no cluster that is protected, and somebody has switched on",
		remedy: "aws eks update-cluster-config --name " + c.names.Cluster + " --no-deletion-protection",
	}}, nil
}

// capacityAPI tells of a cluster's capacity.
type capacityAPI interface {
	ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error)
	ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error)
}

// otherCapacity finds node groups and profiles that no stack of the environment holds: EKS deletes no
// cluster that has any (aws-traps.md, row 6.6).
func (c cloud) otherCapacity(ctx context.Context, api capacityAPI, holds holdings) ([]obstacle, error) {
	var foreign []obstacle
	cluster := c.names.Cluster
	add := func(kind, command, option string, names, ours []string) {
		for _, name := range names {
			if !slices.ContainsFunc(ours, func(id string) bool { return nameOf(id) == name }) {
				foreign = append(foreign, obstacle{
					what: kind + " " + name, why: "EKS deletes no cluster that has node groups or Fargate profiles, and " + cluster + " has others",
					remedy: fmt.Sprintf("aws eks %s --cluster-name %s %s %s", command, cluster, option, name),
				})
			}
		}
	}
	for page := eks.NewListNodegroupsPaginator(api, &eks.ListNodegroupsInput{ClusterName: &cluster}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.ClusterMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the node groups of %s", cluster)
		}
		add("node group", "delete-nodegroup", "--nodegroup-name", out.Nodegroups, holds.ids("AWS::EKS::Nodegroup"))
	}
	for page := eks.NewListFargateProfilesPaginator(api, &eks.ListFargateProfilesInput{ClusterName: &cluster}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.ClusterMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the Fargate profiles of %s", cluster)
		}
		add("Fargate profile", "delete-fargate-profile", "--fargate-profile-name", out.FargateProfileNames, holds.ids("AWS::EKS::FargateProfile"))
	}
	return foreign, nil
}

// nameOf is the name in what Ref gives of a node group, "cluster/name", or a Fargate profile, "cluster|name".
func nameOf(id string) string { return id[strings.LastIndexAny(id, "/|")+1:] }

// othersInVPC finds what others have put into the environment's VPC: it could not be deleted with that
// in it, and whose it is is not ours to decide.
func (c cloud) othersInVPC(ctx context.Context, holds holdings) ([]obstacle, error) {
	vpc := c.network.vpc
	if vpc == "" {
		return nil, nil
	}
	looks := []func(context.Context, holdings) ([]string, error){
		func(ctx context.Context, _ holdings) ([]string, error) { return c.balancers.foreign(ctx, vpc) },
		func(ctx context.Context, _ holdings) ([]string, error) { return c.classic.foreign(ctx, vpc) },
		c.network.foreignInstances, c.network.foreignEndpoints, c.network.foreignSubnets, c.network.foreignGroups, c.network.foreignInterfaces,
		c.network.foreignRouteTables, c.network.foreignACLs, c.network.foreignNATGateways, c.network.foreignVPNGateways,
		c.network.foreignEgressGateways, c.network.foreignPeerings,
	}
	var foreign []obstacle
	for _, look := range looks {
		found, err := look(ctx, holds)
		if err != nil {
			return nil, err
		}
		for _, what := range found {
			foreign = append(foreign, obstacle{what: what, why: "AWS deletes no VPC that is in use, and in " + vpc + " there is"})
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

// somebodys reports whether an interface was made by a person or a program of theirs, and waits for use.
func somebodys(i types.NetworkInterface) bool {
	return i.Status == types.NetworkInterfaceStatusAvailable && !aws.ToBool(i.RequesterManaged) && !leftByAWS(aws.ToString(i.Description))
}

func interfaceText(i types.NetworkInterface) string {
	text := "network interface " + aws.ToString(i.NetworkInterfaceId)
	if d := aws.ToString(i.Description); d != "" {
		text += " (" + d + ")"
	}
	return text
}
