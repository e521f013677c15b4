package teardown

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

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
				out, err := n.api.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
				if err != nil {
					return err
				}
				return unsuccessful(out.Unsuccessful)
			}})
		}
	}
	return items, nil
}

// unsuccessful is the first of the failures that EC2 lists in an answer which is no error itself.
func unsuccessful(items []types.UnsuccessfulItem) error {
	for _, i := range items {
		if i.Error != nil {
			return &smithy.GenericAPIError{Code: aws.ToString(i.Error.Code), Message: aws.ToString(i.Error.Message)}
		}
	}
	return nil
}
