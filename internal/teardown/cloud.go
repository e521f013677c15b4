package teardown

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// cloud is the target account as far as it holds the environment's resources outside of stacks.
type cloud struct {
	balancers balancers
	classic   classic
	network   network
	logs      logs
	names     environment.Names
}

func cloudOf(cfg aws.Config, n environment.Names, survey *environment.Survey) cloud {
	vpc := ""
	if survey != nil {
		vpc = survey.VPCID
	}
	return cloud{
		balancers: balancers{api: elbv2.NewFromConfig(cfg), cluster: n.Cluster},
		classic:   classic{api: elb.NewFromConfig(cfg), cluster: n.Cluster},
		network:   network{api: ec2.NewFromConfig(cfg), cluster: n.Cluster, environment: n.Environment, vpc: vpc, function: n.KubectlFunction},
		logs:      logs{api: cloudwatchlogs.NewFromConfig(cfg), names: n},
		names:     n,
	}
}

// exposed finds what makes applications known to the world.
func (c cloud) exposed() []finder {
	return []finder{c.balancers.loadBalancers, c.classic.loadBalancers, c.balancers.targetGroups}
}

// all finds everything outside of the stacks, in the order in which it can go.
func (c cloud) all() []finder {
	return append(c.exposed(), c.network.interfaces, c.network.endpoints, c.network.groups, c.network.volumes, c.logs.groups)
}

// issuer returns the ARN of the OIDC provider that the cluster's issuer has or would have, empty if
// there is no cluster. IAM derives the one from the other.
func (c cloud) issuer(ctx context.Context, api clusterAPI, r environment.Request) (string, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &c.names.Cluster})
	if awsfault.ClusterMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", account.Classify(err, "describe cluster %s", c.names.Cluster)
	}
	if out.Cluster.Identity == nil || out.Cluster.Identity.Oidc == nil {
		return "", nil
	}
	_, issuer, found := strings.Cut(aws.ToString(out.Cluster.Identity.Oidc.Issuer), "https://")
	_, partition, _ := strings.Cut(aws.ToString(out.Cluster.Arn), ":")
	partition, _, _ = strings.Cut(partition, ":")
	if !found || partition == "" {
		return "", nil
	}
	return "arn:" + partition + ":iam::" + r.AccountID + ":oidc-provider/" + issuer, nil
}
