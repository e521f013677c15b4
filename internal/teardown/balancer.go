package teardown

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// balancerAPI is what the package needs of load balancers.
type balancerAPI interface {
	DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error)
	DescribeLoadBalancerAttributes(context.Context, *elb.DescribeLoadBalancerAttributesInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancerAttributesOutput, error)
	DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
	DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
	ModifyLoadBalancerAttributes(context.Context, *elb.ModifyLoadBalancerAttributesInput, ...func(*elb.Options)) (*elb.ModifyLoadBalancerAttributesOutput, error)
	DeleteLoadBalancer(context.Context, *elb.DeleteLoadBalancerInput, ...func(*elb.Options)) (*elb.DeleteLoadBalancerOutput, error)
	DeleteTargetGroup(context.Context, *elb.DeleteTargetGroupInput, ...func(*elb.Options)) (*elb.DeleteTargetGroupOutput, error)
}

// balancers are the load balancers of an account and region, as seen from one cluster.
type balancers struct {
	api     balancerAPI
	cluster string
}

// loadBalancers finds those that the cluster's controllers have made.
func (b balancers) loadBalancers(ctx context.Context) ([]item, error) {
	all, err := b.all(ctx)
	if err != nil {
		return nil, err
	}
	ours, _, err := b.divide(ctx, all)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, arn := range ours {
		items = append(items, item{what: balancerText(arn), remove: func(ctx context.Context) error { return b.remove(ctx, arn) }})
	}
	return items, nil
}

// targetGroups finds those that the cluster's controllers have made. One that a load balancer uses
// cannot be deleted before that.
func (b balancers) targetGroups(ctx context.Context) ([]item, error) {
	arns, err := b.targets(ctx, func(types.TargetGroup) bool { return true })
	if err != nil {
		return nil, err
	}
	ours, _, err := b.divide(ctx, arns)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, arn := range ours {
		items = append(items, item{what: "target group " + arn, remove: func(ctx context.Context) error {
			_, err := b.api.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn})
			return err
		}})
	}
	return items, nil
}

// targets lists the target groups that fit.
func (b balancers) targets(ctx context.Context, fits func(types.TargetGroup) bool) ([]string, error) {
	var arns []string
	for page := elb.NewDescribeTargetGroupsPaginator(b.api, &elb.DescribeTargetGroupsInput{}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list target groups")
		}
		for _, g := range out.TargetGroups {
			if fits(g) {
				arns = append(arns, aws.ToString(g.TargetGroupArn))
			}
		}
	}
	return arns, nil
}

// strayTargets reports the target groups of others whose targets were in the VPC. They do not keep it
// from being deleted.
func (b balancers) strayTargets(ctx context.Context, vpc string) ([]environment.Leftover, error) {
	if vpc == "" {
		return nil, nil
	}
	inside, err := b.targets(ctx, func(g types.TargetGroup) bool { return aws.ToString(g.VpcId) == vpc })
	if err != nil {
		return nil, err
	}
	_, others, err := b.divide(ctx, inside)
	if err != nil {
		return nil, err
	}
	var stray []environment.Leftover
	for _, arn := range others {
		stray = append(stray, environment.Leftover{
			What: "target group " + arn,
			Why:  "it does not carry the cluster's tag, and its VPC goes; if nobody needs it: aws elbv2 delete-target-group --target-group-arn " + arn,
		})
	}
	return stray, nil
}

// foreign names the load balancers in the VPC that are not the cluster's.
func (b balancers) foreign(ctx context.Context, vpc string) ([]string, error) {
	var inside []string
	for page := elb.NewDescribeLoadBalancersPaginator(b.api, &elb.DescribeLoadBalancersInput{}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list load balancers")
		}
		for _, l := range out.LoadBalancers {
			if aws.ToString(l.VpcId) == vpc {
				inside = append(inside, aws.ToString(l.LoadBalancerArn))
			}
		}
	}
	_, others, err := b.divide(ctx, inside)
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, arn := range others {
		foreign = append(foreign, balancerText(arn))
	}
	return foreign, nil
}

func (b balancers) all(ctx context.Context) ([]string, error) {
	var arns []string
	for page := elb.NewDescribeLoadBalancersPaginator(b.api, &elb.DescribeLoadBalancersInput{}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list load balancers")
		}
		for _, l := range out.LoadBalancers {
			arns = append(arns, aws.ToString(l.LoadBalancerArn))
		}
	}
	return arns, nil
}

// tagsAtOnce is how many resources one call tells the tags of.
const tagsAtOnce = 20

// divide tells the resources that carry the cluster's tags from those of others. What has gone since it
// was listed is neither.
func (b balancers) divide(ctx context.Context, arns []string) (ours, others []string, err error) {
	for chunk := range slices.Chunk(arns, tagsAtOnce) {
		told, err := tagsOfEach(chunk, func(arns []string) ([]types.TagDescription, error) {
			out, err := b.api.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: arns})
			if err != nil {
				return nil, err
			}
			return out.TagDescriptions, nil
		})
		if err != nil {
			return nil, nil, account.Classify(err, "read the tags of %d load balancers or target groups", len(chunk))
		}
		for _, d := range told {
			tags := map[string]string{}
			for _, t := range d.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			if ofCluster(b.cluster, tags) {
				ours = append(ours, aws.ToString(d.ResourceArn))
			} else {
				others = append(others, aws.ToString(d.ResourceArn))
			}
		}
	}
	return ours, others, nil
}

// tagsOfEach asks for the tags of all at once, and one by one when one of them has gone since it was
// listed: AWS then tells of none.
func tagsOfEach[T any](ids []string, ask func(ids []string) ([]T, error)) ([]T, error) {
	told, err := ask(ids)
	if !awsfault.Gone(err) {
		return told, err
	}
	told = nil
	for _, id := range ids {
		one, err := ask([]string{id})
		if awsfault.Gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		told = append(told, one...)
	}
	return told, nil
}

// remove deletes a load balancer, its deletion protection lifted: whoever wants the environment gone
// wants this gone.
func (b balancers) remove(ctx context.Context, arn string) error {
	_, err := b.api.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	if awsfault.NameOf(err) != "OperationNotPermitted" {
		return err
	}
	_, err = b.api.ModifyLoadBalancerAttributes(ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &arn,
		Attributes:      []types.LoadBalancerAttribute{{Key: aws.String(deletionProtection), Value: aws.String("false")}},
	})
	if err != nil {
		return err
	}
	_, err = b.api.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	return err
}

// protected names the cluster's load balancers whose deletion protection remove lifts.
func (b balancers) protected(ctx context.Context) ([]string, error) {
	items, err := b.loadBalancers(ctx)
	if err != nil {
		return nil, err
	}
	var protected []string
	for _, i := range items {
		arn := strings.TrimPrefix(i.what, balancerText(""))
		out, err := b.api.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &arn})
		if awsfault.Gone(err) {
			continue
		}
		if err != nil {
			return nil, account.Classify(err, "read the attributes of load balancer %s", arn)
		}
		for _, a := range out.Attributes {
			if aws.ToString(a.Key) == deletionProtection && aws.ToString(a.Value) == "true" {
				protected = append(protected, i.what)
			}
		}
	}
	return protected, nil
}

// deletionProtection is the attribute of a load balancer that keeps it from being deleted.
const deletionProtection = "deletion_protection.enabled"

func balancerText(arn string) string { return "load balancer " + arn }
