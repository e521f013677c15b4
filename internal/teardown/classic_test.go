package teardown

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// firstGeneration is an account with these load balancers by name.
type firstGeneration struct {
	tags    map[string][]string
	deleted []string
	// vanished is one that goes between two calls.
	vanished string
}

func (f *firstGeneration) DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error) {
	out := &elb.DescribeLoadBalancersOutput{}
	for _, name := range []string{"a1", "b2", "c3", "d4"} {
		out.LoadBalancerDescriptions = append(out.LoadBalancerDescriptions, elbtypes.LoadBalancerDescription{LoadBalancerName: &name, VPCId: aws.String("vpc-1")})
	}
	return out, nil
}

func (f *firstGeneration) DescribeTags(_ context.Context, in *elb.DescribeTagsInput, _ ...func(*elb.Options)) (*elb.DescribeTagsOutput, error) {
	out := &elb.DescribeTagsOutput{}
	for _, name := range in.LoadBalancerNames {
		if name == f.vanished {
			return nil, &smithy.GenericAPIError{Code: "LoadBalancerNotFound", Message: "There is no ACTIVE Load Balancer named 'd4'"}
		}
		d := elbtypes.TagDescription{LoadBalancerName: &name}
		for _, t := range tagList(f.tags[name]...) {
			d.Tags = append(d.Tags, elbtypes.Tag{Key: t.Key, Value: t.Value})
		}
		out.TagDescriptions = append(out.TagDescriptions, d)
	}
	return out, nil
}

func (f *firstGeneration) DeleteLoadBalancer(_ context.Context, in *elb.DeleteLoadBalancerInput, _ ...func(*elb.Options)) (*elb.DeleteLoadBalancerOutput, error) {
	f.deleted = append(f.deleted, *in.LoadBalancerName)
	return &elb.DeleteLoadBalancerOutput{}, nil
}

// The local cloud has none of these, and none that goes between two calls. What the controller in EKS' control plane makes carries the
// Service's name and the cluster's tag.
func TestClassicLoadBalancers(t *testing.T) {
	api := &firstGeneration{vanished: "d4", tags: map[string][]string{
		"a1": {"kubernetes.io/service-name", "shop/web", "kubernetes.io/cluster/opa-dev-cluster", "owned"},
		"b2": {"kubernetes.io/service-name", "shop/web", "kubernetes.io/cluster/other", "owned"},
	}}
	c := classic{api: api, cluster: "opa-dev-cluster"}
	items, err := c.loadBalancers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if err := i.remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"a1"}, api.deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	foreign, err := c.foreign(t.Context(), "vpc-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"load balancer b2", "load balancer c3"}, foreign); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
}
