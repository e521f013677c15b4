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

// remainingInterfaces are the network interfaces that are left of the environment, or in its way.
type remainingInterfaces struct {
	// leaving are those that AWS takes away by itself after what they were for is gone.
	leaving []string
	// unknown are those that AWS has made, nobody can tell for what.
	unknown []string
	// foreign are those that somebody else has put there.
	foreign []string
}

// remaining looks at what is left in the environment's VPC. In a VPC of others only what has one of the
// environment's security groups is looked at: AWS deletes no group that is in use.
func (n network) remaining(ctx context.Context, groups []string) (remainingInterfaces, error) {
	var left remainingInterfaces
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

// What the SDK has no constants for: EC2 answers nat_gateway, where the SDK's model says natGateway.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html
const (
	natGateway              types.NetworkInterfaceType = "nat_gateway"
	instanceConnectEndpoint types.NetworkInterfaceType = "ec2_instance_connect_endpoint"
)

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
	if slices.Contains([]types.NetworkInterfaceType{natGateway, types.NetworkInterfaceTypeNatGateway, types.NetworkInterfaceTypeVpcEndpoint}, i.InterfaceType) {
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
		instanceConnectEndpoint,
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
