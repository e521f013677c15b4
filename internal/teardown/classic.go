package teardown

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
)

// classicAPI is what the package needs of load balancers of the first generation.
type classicAPI interface {
	DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error)
	DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
	DeleteLoadBalancer(context.Context, *elb.DeleteLoadBalancerInput, ...func(*elb.Options)) (*elb.DeleteLoadBalancerOutput, error)
}

// classic are the load balancers that the controller in EKS' own control plane makes for Services
// which the load balancer controller does not take, as seen from one cluster.
type classic struct {
	api     classicAPI
	cluster string
}

// classicBalancer is one of them.
type classicBalancer struct {
	name, vpc string
	tags      map[string]string
}

// loadBalancers finds those of the cluster.
func (c classic) loadBalancers(ctx context.Context) ([]item, error) {
	all, err := c.all(ctx)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, b := range all {
		if !ofCluster(c.cluster, b.tags) {
			continue
		}
		items = append(items, item{what: "load balancer " + b.name, remove: func(ctx context.Context) error {
			_, err := c.api.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerName: &b.name})
			return err
		}})
	}
	return items, nil
}

// foreign names those in the VPC that are not the cluster's.
func (c classic) foreign(ctx context.Context, vpc string) ([]string, error) {
	all, err := c.all(ctx)
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, b := range all {
		if b.vpc == vpc && !ofCluster(c.cluster, b.tags) {
			foreign = append(foreign, "load balancer "+b.name)
		}
	}
	return foreign, nil
}

func (c classic) all(ctx context.Context) ([]classicBalancer, error) {
	vpcs := map[string]string{}
	var names []string
	for page := elb.NewDescribeLoadBalancersPaginator(c.api, &elb.DescribeLoadBalancersInput{}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list classic load balancers")
		}
		for _, d := range out.LoadBalancerDescriptions {
			names = append(names, aws.ToString(d.LoadBalancerName))
			vpcs[aws.ToString(d.LoadBalancerName)] = aws.ToString(d.VPCId)
		}
	}
	var all []classicBalancer
	for chunk := range slices.Chunk(names, tagsAtOnce) {
		told, err := tagsOfEach(chunk, func(names []string) ([]types.TagDescription, error) {
			out, err := c.api.DescribeTags(ctx, &elb.DescribeTagsInput{LoadBalancerNames: names})
			if err != nil {
				return nil, err
			}
			return out.TagDescriptions, nil
		})
		if err != nil {
			return nil, account.Classify(err, "read the tags of %d classic load balancers", len(chunk))
		}
		for _, d := range told {
			b := classicBalancer{name: aws.ToString(d.LoadBalancerName), vpc: vpcs[aws.ToString(d.LoadBalancerName)], tags: map[string]string{}}
			for _, t := range d.Tags {
				b.tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			all = append(all, b)
		}
	}
	return all, nil
}
