package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// groups finds the security groups of the load balancer controller and those that EKS leaves behind
// (aws-traps.md, row 6.3). Those of a stack are the stack's.
func (n network) groups(ctx context.Context) ([]item, error) {
	var items []item
	seen := map[string]bool{}
	for _, filters := range n.groupFilters() {
		input := &ec2.DescribeSecurityGroupsInput{Filters: filters}
		for page := ec2.NewDescribeSecurityGroupsPaginator(n.api, input); page.HasMorePages(); {
			out, err := page.NextPage(ctx)
			if err != nil {
				return nil, account.Classify(err, "list the security groups of cluster %s", n.cluster)
			}
			for _, g := range out.SecurityGroups {
				id := aws.ToString(g.GroupId)
				tags := vpc.TagsOf(g.Tags)
				ours := ofCluster(n.cluster, tags) || tags[managedByGuardDuty] == "true" && aws.ToString(g.VpcId) == n.vpc
				if _, ofStack := tags["aws:cloudformation:stack-id"]; seen[id] || ofStack || !ours {
					continue
				}
				seen[id] = true
				items = append(items, item{what: "security group " + id, remove: func(ctx context.Context) error { return n.removeGroup(ctx, g) }})
			}
		}
	}
	return items, nil
}

// removeGroup deletes a group. A group that is in use keeps its rules: in an existing VPC it may be the
// only one of an instance or a database of others. Of one that nothing uses, the rules of the cluster's
// other groups that name it are taken away: groups that name each other could not go otherwise, and such
// a rule admits nothing. A rule in a group of others is theirs to change.
func (n network) removeGroup(ctx context.Context, g types.SecurityGroup) error {
	id := aws.ToString(g.GroupId)
	err := n.deleteGroup(ctx, id)
	if awsfault.NameOf(err) != "DependencyViolation" {
		return err
	}
	users, lookErr := n.users(ctx, id)
	if lookErr != nil {
		return lookErr
	}
	if len(users) > 0 {
		return n.used(id, users, err)
	}
	naming, lookErr := n.naming(ctx, id)
	if lookErr != nil {
		return lookErr
	}
	var others []string
	for _, o := range naming {
		if !ofCluster(n.cluster, vpc.TagsOf(o.Tags)) {
			others = append(others, "security group "+aws.ToString(o.GroupId))
		}
	}
	if len(others) > 0 {
		return refusal{fmt.Sprintf("rules of %s, not the environment's, name it: take those rules away, then delete it with aws ec2 delete-security-group --group-id %s",
			strings.Join(others, ", "), id)}
	}
	revoked := false
	for _, o := range naming {
		if _, ofStack := vpc.TagsOf(o.Tags)["aws:cloudformation:stack-id"]; ofStack {
			continue
		}
		if err := n.revoke(ctx, o, id); err != nil {
			return err
		}
		revoked = true
	}
	if !revoked {
		return err
	}
	return n.deleteGroup(ctx, id)
}

func (n network) deleteGroup(ctx context.Context, id string) error {
	_, err := n.api.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return err
}

// users are the network interfaces that have the group.
func (n network) users(ctx context.Context, group string) ([]types.NetworkInterface, error) {
	input := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}}}
	var users []types.NetworkInterface
	for page := ec2.NewDescribeNetworkInterfacesPaginator(n.api, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, i := range out.NetworkInterfaces {
			if inGroup(i, group) {
				users = append(users, i)
			}
		}
	}
	return users, nil
}

// used says what uses a group. An interface of AWS may go with time, one of somebody's does not.
func (n network) used(group string, users []types.NetworkInterface, held error) error {
	var all, stay []string
	for _, i := range users {
		all = append(all, interfaceText(i))
		ofInstance := i.Attachment != nil && i.Attachment.InstanceId != nil && !aws.ToBool(i.RequesterManaged)
		if !n.leaves(i) && (ofInstance || somebodys(i)) {
			stay = append(stay, interfaceText(i))
		}
	}
	if len(stay) == 0 {
		return fmt.Errorf("%s uses it: %w", strings.Join(all, ", "), held)
	}
	return refusal{fmt.Sprintf("%s, not the environment's, uses it, and its rules were left alone: give that another group, then delete this one with aws ec2 delete-security-group --group-id %s",
		strings.Join(stay, ", "), group)}
}

// naming lists the other security groups whose rules name the group.
func (n network) naming(ctx context.Context, group string) ([]types.SecurityGroup, error) {
	var naming []types.SecurityGroup
	seen := map[string]bool{group: true}
	for _, filter := range []string{"ip-permission.group-id", "egress.ip-permission.group-id"} {
		input := &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: &filter, Values: []string{group}}}}
		for page := ec2.NewDescribeSecurityGroupsPaginator(n.api, input); page.HasMorePages(); {
			out, err := page.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, g := range out.SecurityGroups {
				id := aws.ToString(g.GroupId)
				if seen[id] || len(about(g.IpPermissions, group))+len(about(g.IpPermissionsEgress, group)) == 0 {
					continue
				}
				seen[id] = true
				naming = append(naming, g)
			}
		}
	}
	return naming, nil
}

// revoke takes from g what its rules say of the group, and nothing else.
func (n network) revoke(ctx context.Context, g types.SecurityGroup, group string) error {
	if rules := about(g.IpPermissions, group); len(rules) > 0 {
		_, err := n.api.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: g.GroupId, IpPermissions: rules})
		if err != nil && !awsfault.Gone(err) {
			return err
		}
	}
	if rules := about(g.IpPermissionsEgress, group); len(rules) > 0 {
		_, err := n.api.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: g.GroupId, IpPermissions: rules})
		if err != nil && !awsfault.Gone(err) {
			return err
		}
	}
	return nil
}

// about is the part of the rules that names the group.
func about(rules []types.IpPermission, group string) []types.IpPermission {
	var part []types.IpPermission
	for _, rule := range rules {
		pairs := slices.DeleteFunc(slices.Clone(rule.UserIdGroupPairs), func(p types.UserIdGroupPair) bool { return aws.ToString(p.GroupId) != group })
		if len(pairs) > 0 {
			part = append(part, types.IpPermission{IpProtocol: rule.IpProtocol, FromPort: rule.FromPort, ToPort: rule.ToPort, UserIdGroupPairs: pairs})
		}
	}
	return part
}

// groupFilters find security groups, one call each: EC2 joins filters by AND.
func (n network) groupFilters() [][]types.Filter {
	filters := [][]types.Filter{
		{tag("elbv2.k8s.aws/cluster", n.cluster)},
		{tag("aws:eks:cluster-name", n.cluster)},
		{tag("kubernetes.io/cluster/"+n.cluster, "owned")},
	}
	if n.vpc != "" {
		filters = append(filters, []types.Filter{tag(managedByGuardDuty, "true"), n.inside()})
	}
	return filters
}
