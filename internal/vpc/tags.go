package vpc

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// The tags by which the AWS Load Balancer Controller finds the subnets for load balancers that face the
// internet, and for the others (kubectl-protocol.md, section 4.5).
const (
	publicTag  = "kubernetes.io/role/elb"
	privateTag = "kubernetes.io/role/internal-elb"
)

// Untagged returns the chosen subnets that have no load balancer tag, each with the key that it lacks. A
// tag that is there stays, whatever its value.
func Untagged(c Choice) map[string]string {
	missing := map[string]string{}
	for key, subnets := range map[string][]Subnet{publicTag: c.Public, privateTag: c.Private} {
		for _, s := range subnets {
			if _, ok := s.Tags[key]; !ok {
				missing[s.ID] = key
			}
		}
	}
	return missing
}

// TagAPI is what writes tags.
type TagAPI interface {
	CreateTags(ctx context.Context, in *ec2.CreateTagsInput, opts ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
	DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput, opts ...func(*ec2.Options)) (*ec2.DeleteTagsOutput, error)
}

// Tag gives the subnets their load balancer tags.
func Tag(ctx context.Context, api TagAPI, missing map[string]string) error {
	for _, key := range []string{publicTag, privateTag} {
		if subnets := having(missing, key); len(subnets) > 0 {
			in := &ec2.CreateTagsInput{Resources: subnets, Tags: []types.Tag{{Key: aws.String(key), Value: aws.String("1")}}}
			if _, err := api.CreateTags(ctx, in); err != nil {
				return account.Classify(err, "tag the subnets with %s", key)
			}
		}
	}
	return nil
}

// Untag takes the load balancer tags away that [Tag] has given: those with the value that it gives, so
// that a tag that somebody has changed since stays. A subnet that is gone has none.
func Untag(ctx context.Context, api TagAPI, tagged map[string]string) error {
	for _, id := range slices.Sorted(maps.Keys(tagged)) {
		in := &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String(tagged[id]), Value: aws.String("1")}}}
		if _, err := api.DeleteTags(ctx, in); err != nil && !awsfault.Gone(err) {
			return account.Classify(err, "take the tag %s from %s", tagged[id], id)
		}
	}
	return nil
}

// GroupAPI is what lists security groups.
type GroupAPI interface {
	DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, opts ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
}

// Neighbours are the environments besides the named one that are in the VPC too, known by their security
// groups. Their load balancers may have come to rely on tags which this one has given.
func Neighbours(ctx context.Context, api GroupAPI, vpc, name string) ([]string, error) {
	input := &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("tag-key"), Values: []string{environment.Tag}},
	}}
	var others []string
	for page := ec2.NewDescribeSecurityGroupsPaginator(api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the security groups of VPC %s", vpc)
		}
		for _, g := range out.SecurityGroups {
			if of := TagsOf(g.Tags)[environment.Tag]; of != "" && of != name && aws.ToString(g.VpcId) == vpc {
				others = append(others, of)
			}
		}
	}
	slices.Sort(others)
	return slices.Compact(others), nil
}

// WriteTagged writes down which subnets were given which tag, to be read by [ReadTagged].
func WriteTagged(tagged map[string]string) string {
	entries := make([]string, 0, len(tagged))
	for _, id := range slices.Sorted(maps.Keys(tagged)) {
		entries = append(entries, id+"="+tagged[id])
	}
	return strings.Join(entries, ",")
}

// ReadTagged reads what [WriteTagged] wrote.
func ReadTagged(text string) map[string]string {
	tagged := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		if id, key, ok := strings.Cut(entry, "="); ok {
			tagged[id] = key
		}
	}
	return tagged
}

// having returns the keys of m with the value, in order.
func having(m map[string]string, value string) []string {
	var keys []string
	for k, v := range m {
		if v == value {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
