package teardown

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// networkAPI is what the package needs of EC2.
type networkAPI interface {
	routingAPI
	DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
	DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
	DescribeVolumes(context.Context, *ec2.DescribeVolumesInput, ...func(*ec2.Options)) (*ec2.DescribeVolumesOutput, error)
	DescribeVpcEndpoints(context.Context, *ec2.DescribeVpcEndpointsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error)
	DeleteNetworkInterface(context.Context, *ec2.DeleteNetworkInterfaceInput, ...func(*ec2.Options)) (*ec2.DeleteNetworkInterfaceOutput, error)
	DeleteSecurityGroup(context.Context, *ec2.DeleteSecurityGroupInput, ...func(*ec2.Options)) (*ec2.DeleteSecurityGroupOutput, error)
	RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error)
	RevokeSecurityGroupEgress(context.Context, *ec2.RevokeSecurityGroupEgressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupEgressOutput, error)
	DeleteVpcEndpoints(context.Context, *ec2.DeleteVpcEndpointsInput, ...func(*ec2.Options)) (*ec2.DeleteVpcEndpointsOutput, error)
	DeleteVolume(context.Context, *ec2.DeleteVolumeInput, ...func(*ec2.Options)) (*ec2.DeleteVolumeOutput, error)
}

// network is what a cluster's controllers have made of EC2's resources.
type network struct {
	api     networkAPI
	cluster string
	// environment is what the environment's resources are tagged with.
	environment string
	// vpc is empty where it is not the environment's own.
	vpc string
	// function is the name of the environment's kubectl function.
	function string
}

// managedByGuardDuty is the tag of what GuardDuty puts into a VPC by itself (aws-traps.md, row 6.14).
const managedByGuardDuty = "GuardDutyManaged"

// groupFilters find security groups, one call each: EC2 joins filters by AND.
func (n network) groupFilters() [][]types.Filter {
	filters := [][]types.Filter{
		{tag("elbv2.k8s.aws/cluster", n.cluster)},
		{tag("aws:eks:cluster-name", n.cluster)},
		{tag("kubernetes.io/cluster/"+n.cluster, "owned")},
	}
	if n.vpc != "" {
		filters = append(filters, []types.Filter{tag(managedByGuardDuty, "true"), n.inside()})
	}
	return filters
}

func tag(key, value string) types.Filter {
	return types.Filter{Name: aws.String("tag:" + key), Values: []string{value}}
}

func (n network) inside() types.Filter {
	return types.Filter{Name: aws.String("vpc-id"), Values: []string{n.vpc}}
}

// endpoints finds those that GuardDuty has put into the environment's own VPC, which cannot be deleted
// with them in it.
func (n network) endpoints(ctx context.Context) ([]item, error) {
	if n.vpc == "" {
		return nil, nil
	}
	input := &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{tag(managedByGuardDuty, "true"), n.inside()}}
	var items []item
	for page := ec2.NewDescribeVpcEndpointsPaginator(n.api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the endpoints of VPC %s", n.vpc)
		}
		for _, e := range out.VpcEndpoints {
			// What is deleted is not left to a filter alone.
			if aws.ToString(e.VpcId) != n.vpc || vpc.TagsOf(e.Tags)[managedByGuardDuty] != "true" {
				continue
			}
			id := aws.ToString(e.VpcEndpointId)
			items = append(items, item{what: "VPC endpoint " + id, remove: func(ctx context.Context) error {
				_, err := n.api.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
				return err
			}})
		}
	}
	return items, nil
}

// interfaces finds those that the VPC CNI left behind when its nodes went first (aws-traps.md, row 6.4).
func (n network) interfaces(ctx context.Context) ([]item, error) {
	input := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{
		tag("cluster.k8s.amazonaws.com/name", n.cluster),
		{Name: aws.String("status"), Values: []string{"available"}},
	}}
	var items []item
	for page := ec2.NewDescribeNetworkInterfacesPaginator(n.api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the network interfaces of cluster %s", n.cluster)
		}
		for _, i := range out.NetworkInterfaces {
			if i.Status != types.NetworkInterfaceStatusAvailable || !ofCluster(n.cluster, vpc.TagsOf(i.TagSet)) {
				continue
			}
			id := aws.ToString(i.NetworkInterfaceId)
			items = append(items, item{what: "network interface " + id, remove: func(ctx context.Context) error {
				_, err := n.api.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})
				return err
			}})
		}
	}
	return items, nil
}

// remains are the network interfaces that are left of the environment, or in its way.
type remains struct {
	// leaving are those that AWS takes away by itself after what they were for is gone.
	leaving []string
	// unknown are those that AWS has made, nobody can tell for what.
	unknown []string
	// foreign are those that somebody else has put there.
	foreign []string
}

// remains looks at what is left in the environment's VPC. In a VPC of others only what has one of the
// environment's security groups is looked at: AWS deletes no group that is in use.
func (n network) remains(ctx context.Context, groups []string) (remains, error) {
	var left remains
	filter := n.inside()
	if n.vpc == "" {
		filter = types.Filter{Name: aws.String("group-id"), Values: groups}
	}
	if len(filter.Values) == 0 {
		return left, nil
	}
	input := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{filter}}
	for page := ec2.NewDescribeNetworkInterfacesPaginator(n.api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return left, account.Classify(err, "list the network interfaces of %s", strings.Join(filter.Values, ", "))
		}
		for _, i := range out.NetworkInterfaces {
			if n.vpc != "" && aws.ToString(i.VpcId) != n.vpc || n.vpc == "" && !inGroup(i, groups...) {
				continue
			}
			switch what := interfaceText(i); {
			case n.leaves(i):
				left.leaving = append(left.leaving, what)
			case somebodys(i), n.serves(i):
				left.foreign = append(left.foreign, what)
			default:
				left.unknown = append(left.unknown, what)
			}
		}
	}
	return left, nil
}

// inGroup reports whether an interface has one of the security groups.
func inGroup(i types.NetworkInterface, groups ...string) bool {
	return slices.ContainsFunc(i.Groups, func(g types.GroupIdentifier) bool { return slices.Contains(groups, aws.ToString(g.GroupId)) })
}

// Descriptions that AWS gives to interfaces.
const (
	lambdaInterface  = "AWS Lambda VPC ENI-"
	clusterInterface = "Amazon EKS "
	nodeInterface    = "aws-K8S-"
)

// leftByAWS reports whether a description says that a service of AWS has made an interface.
func leftByAWS(description string) bool {
	return strings.HasPrefix(description, lambdaInterface) || strings.HasPrefix(description, clusterInterface) || strings.HasPrefix(description, "ELB ")
}

// leaves reports whether the interface is one that goes by itself: Lambda's after 20 to 45 minutes
// (aws-traps.md, row 6.2), those of the control plane, of nodes, of NAT gateways, of endpoints and of
// the cluster's load balancers sooner.
func (n network) leaves(i types.NetworkInterface) bool {
	description := aws.ToString(i.Description)
	if i.InterfaceType == types.NetworkInterfaceTypeNatGateway || i.InterfaceType == types.NetworkInterfaceTypeVpcEndpoint {
		return true
	}
	attached := i.Status != types.NetworkInterfaceStatusAvailable
	return ofCluster(n.cluster, vpc.TagsOf(i.TagSet)) || description == clusterInterface+n.cluster || attached && strings.HasPrefix(description, nodeInterface) ||
		strings.HasPrefix(description, lambdaInterface+n.function) ||
		strings.HasPrefix(description, "ELB app/k8s-") || strings.HasPrefix(description, "ELB net/k8s-") || classicName.MatchString(description)
}

// services are what the descriptions of interfaces begin with that AWS makes for services which no
// environment uses, and serviceTypes are types of such interfaces. A VPC attachment of a transit gateway and
// a mount target of a file system have one in each of their subnets, and are known by it.
var (
	services     = []string{"EFS mount target for ", "RDSNetworkInterface", "ElastiCache "}
	serviceTypes = []types.NetworkInterfaceType{
		types.NetworkInterfaceTypeTransitGateway, types.NetworkInterfaceTypeGatewayLoadBalancer, types.NetworkInterfaceTypeQuicksight,
		types.NetworkInterfaceTypeApiGatewayManaged, types.NetworkInterfaceTypeIotRulesManaged, types.NetworkInterfaceTypeAwsCodestarConnectionsManaged,
	}
)

// serves reports whether AWS has made the interface for a service that others use, or for a function of
// theirs. It stays until they take that away.
func (n network) serves(i types.NetworkInterface) bool {
	description := aws.ToString(i.Description)
	begins := func(prefix string) bool { return strings.HasPrefix(description, prefix) }
	ofAnother := begins(lambdaInterface) && !begins(lambdaInterface+n.function)
	return ofAnother || slices.Contains(serviceTypes, i.InterfaceType) || slices.ContainsFunc(services, begins)
}

// classicName is the interface of a load balancer that Kubernetes' own controller has made: it is called
// "a" and the Service's unique id without hyphens.
var classicName = regexp.MustCompile("^ELB a[0-9a-f]{31}$")
