package teardown

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

type vpcAPI interface {
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
}

// strayVPCs reports VPCs with the environment's tag that no stack has told of: who deletes a stack by hand
// may leave what would not go (aws-traps.md, row 1.73), and nobody knows of it afterwards.
func strayVPCs(ctx context.Context, api vpcAPI, n environment.Names, known string) ([]environment.Leftover, error) {
	var strays []environment.Leftover
	input := &ec2.DescribeVpcsInput{Filters: []types.Filter{tag(environment.Tag, n.Environment)}}
	for page := ec2.NewDescribeVpcsPaginator(api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "look for VPCs with the tag %s of %s", environment.Tag, n.Environment)
		}
		for _, v := range out.Vpcs {
			// That of the stack is gone with it, whatever EC2 shows for a moment.
			id := aws.ToString(v.VpcId)
			if id == known || vpc.TagsOf(v.Tags)[environment.Tag] != n.Environment {
				continue
			}
			strays = append(strays, environment.Leftover{
				What: "VPC " + id,
				Why:  "its tag " + environment.Tag + " says that it is the environment's, and no stack has it: remove what is in it, then aws ec2 delete-vpc --vpc-id " + id,
			})
		}
	}
	return strays, nil
}
