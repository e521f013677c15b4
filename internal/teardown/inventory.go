package teardown

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// inventory is the target account as far as it holds the environment's resources outside of stacks.
type inventory struct {
	balancers balancers
	classic   classic
	network   network
	logs      logs
	names     environment.Names
}

func inventoryOf(cfg aws.Config, n environment.Names, survey *environment.Survey) inventory {
	vpc := ""
	if survey != nil {
		vpc = survey.VPCID
	}
	return inventory{
		balancers: balancers{api: elbv2.NewFromConfig(cfg), cluster: n.Cluster},
		classic:   classic{api: elb.NewFromConfig(cfg), cluster: n.Cluster},
		network:   network{api: ec2.NewFromConfig(cfg), cluster: n.Cluster, environment: n.Environment, vpc: vpc, function: n.KubectlFunction},
		logs:      logs{api: cloudwatchlogs.NewFromConfig(cfg), names: n},
		names:     n,
	}
}

// exposed finds what makes applications known to the world.
func (i inventory) exposed() []finder {
	return []finder{i.balancers.loadBalancers, i.classic.loadBalancers, i.balancers.targetGroups}
}

// all finds everything outside of the stacks, in the order in which it can go.
func (i inventory) all() []finder {
	return append(i.exposed(), i.network.interfaces, i.network.endpoints, i.network.groups, i.network.volumes, i.logs.groups)
}

// Leftovers lists what there is of an environment outside of its stacks: what controllers in its cluster
// have made, and log groups.
func Leftovers(ctx context.Context, cfg aws.Config, n environment.Names) ([]string, error) {
	return found(ctx, inventoryOf(cfg, n, nil).all())
}

// ofCluster reports whether tags are those of the cluster's controllers: the load balancer controller,
// EKS, and the controllers in Kubernetes itself (kubectl-protocol.md, section 4.9).
func ofCluster(cluster string, tags map[string]string) bool {
	return tags["elbv2.k8s.aws/cluster"] == cluster || tags["aws:eks:cluster-name"] == cluster ||
		tags["cluster.k8s.amazonaws.com/name"] == cluster || tags["kubernetes.io/cluster/"+cluster] == "owned"
}
