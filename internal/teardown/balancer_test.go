package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbv2types "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// secondGeneration is an account with these load balancers and target groups by ARN.
type secondGeneration struct {
	balancerAPI
	arns []string
	tags map[string][]string
	// refuses is what AWS answers for one of them.
	refuses map[string]string
}

func (s *secondGeneration) DescribeLoadBalancers(context.Context, *elbv2.DescribeLoadBalancersInput, ...func(*elbv2.Options)) (*elbv2.DescribeLoadBalancersOutput, error) {
	out := &elbv2.DescribeLoadBalancersOutput{}
	for _, arn := range s.arns {
		out.LoadBalancers = append(out.LoadBalancers, elbv2types.LoadBalancer{LoadBalancerArn: &arn, VpcId: aws.String("vpc-1")})
	}
	return out, nil
}

func (s *secondGeneration) DescribeTargetGroups(context.Context, *elbv2.DescribeTargetGroupsInput, ...func(*elbv2.Options)) (*elbv2.DescribeTargetGroupsOutput, error) {
	out := &elbv2.DescribeTargetGroupsOutput{}
	for _, arn := range s.arns {
		out.TargetGroups = append(out.TargetGroups, elbv2types.TargetGroup{TargetGroupArn: &arn, VpcId: aws.String("vpc-1")})
	}
	return out, nil
}

func (s *secondGeneration) DescribeTags(_ context.Context, in *elbv2.DescribeTagsInput, _ ...func(*elbv2.Options)) (*elbv2.DescribeTagsOutput, error) {
	out := &elbv2.DescribeTagsOutput{}
	for _, arn := range in.ResourceArns {
		if code := s.refuses[arn]; code != "" {
			return nil, &smithy.GenericAPIError{Code: code, Message: "no"}
		}
		d := elbv2types.TagDescription{ResourceArn: &arn}
		for _, t := range tagList(s.tags[arn]...) {
			d.Tags = append(d.Tags, elbv2types.Tag{Key: t.Key, Value: t.Value})
		}
		out.TagDescriptions = append(out.TagDescriptions, d)
	}
	return out, nil
}

// DescribeLoadBalancerAttributes tells that those are protected whose ARNs say so.
func (s *secondGeneration) DescribeLoadBalancerAttributes(_ context.Context, in *elbv2.DescribeLoadBalancerAttributesInput, _ ...func(*elbv2.Options)) (*elbv2.DescribeLoadBalancerAttributesOutput, error) {
	value := map[bool]string{true: "true", false: "false"}[strings.HasSuffix(*in.LoadBalancerArn, "protected")]
	if strings.HasSuffix(*in.LoadBalancerArn, "vanished") {
		return nil, &smithy.GenericAPIError{Code: "LoadBalancerNotFound"}
	}
	return &elbv2.DescribeLoadBalancerAttributesOutput{Attributes: []elbv2types.LoadBalancerAttribute{
		{Key: aws.String("access_logs.s3.enabled"), Value: aws.String("true")}, {Key: aws.String("deletion_protection.enabled"), Value: &value},
	}}, nil
}

// A protection that the removal lifts is known before, and one of others is not looked at.
func TestProtectedLoadBalancers(t *testing.T) {
	ours := []string{"elbv2.k8s.aws/cluster", "opa-dev-cluster"}
	api := &secondGeneration{
		arns: []string{"a-protected", "b", "c-vanished", "d-of-others-protected"},
		tags: map[string][]string{"a-protected": ours, "b": ours, "c-vanished": ours},
	}
	got, err := balancers{api: api, cluster: "opa-dev-cluster"}.protected(t.Context())
	if diff := cmp.Diff([]string{"load balancer a-protected"}, got); diff != "" || err != nil {
		t.Errorf("(-want +got, %v):\n%s", err, diff)
	}
}

// One that goes between the list and the question for tags hides none of those that stay.
func TestVanishedLoadBalancer(t *testing.T) {
	for _, gone := range []string{"LoadBalancerNotFound", "TargetGroupNotFound"} {
		api := &secondGeneration{
			arns: []string{"gone", "ours", "others"}, refuses: map[string]string{"gone": gone},
			tags: map[string][]string{"ours": {"elbv2.k8s.aws/cluster", "opa-dev-cluster"}},
		}
		b := balancers{api: api, cluster: "opa-dev-cluster"}
		balancers, err := found(t.Context(), []finder{b.loadBalancers, b.targetGroups})
		if diff := cmp.Diff([]string{"load balancer ours", "target group ours"}, balancers); diff != "" || err != nil {
			t.Errorf("%s: ours (-want +got, %v):\n%s", gone, err, diff)
		}
		foreign, err := b.foreign(t.Context(), "vpc-1")
		if diff := cmp.Diff([]string{"load balancer others"}, foreign); diff != "" || err != nil {
			t.Errorf("%s: foreign (-want +got, %v):\n%s", gone, err, diff)
		}
		stray, err := b.strayTargets(t.Context(), "vpc-1")
		if len(stray) != 1 || stray[0].What != "target group others" || err != nil {
			t.Errorf("%s: stray %v (%v)", gone, stray, err)
		}
		api.refuses["ours"] = "Throttling"
		if _, err := b.loadBalancers(t.Context()); fault.CodeOf(err) != fault.Throttled {
			t.Errorf("%s: what was not told is taken for gone: %v", gone, err)
		}
	}
}
