package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// upgradeAddresses is how many free addresses EKS may take in the cluster's subnets, all together, for
// the network interfaces of an upgraded control plane, before the old ones go
// (https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html).
const upgradeAddresses = 5

// roomToUpgrade looks whether the cluster's subnets have the addresses that an upgrade takes.
func roomToUpgrade(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookForRoom(ctx, ec2.NewFromConfig(s.config), s)
}

func lookForRoom(ctx context.Context, api ec2.DescribeSubnetsAPIClient, s subject) ([]finding.Finding, error) {
	subnets := vpc.Earlier(s.stacks[s.names.NetworkStack].Outputs)
	if s.live == "" || s.live == s.request.KubernetesVersion || len(subnets) == 0 {
		return nil, nil
	}
	free := 0
	var each []string
	pages := ec2.NewDescribeSubnetsPaginator(api, &ec2.DescribeSubnetsInput{SubnetIds: subnets})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, subnet := range page.Subnets {
			n := int(aws.ToInt32(subnet.AvailableIpAddressCount))
			free += n
			each = append(each, fmt.Sprintf("%s %d", aws.ToString(subnet.SubnetId), n))
		}
	}
	if free >= upgradeAddresses {
		return nil, nil
	}
	return []finding.Finding{finding.Warningf("AddressesMissing", versionField, "the cluster's subnets have %d free addresses together (%s), and EKS may take up to %d for an upgrade, or fail it",
		free, strings.Join(each, ", "), upgradeAddresses).
		WithNext("free addresses, or move workloads away, before the upgrade")}, nil
}
