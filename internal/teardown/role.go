package teardown

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// roleAPI tells what is attached to a role, and what it is in.
type roleAPI interface {
	ListInstanceProfilesForRole(context.Context, *iam.ListInstanceProfilesForRoleInput, ...func(*iam.Options)) (*iam.ListInstanceProfilesForRoleOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
	ListRolePolicies(context.Context, *iam.ListRolePoliciesInput, ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error)
}

type templates interface {
	Template(ctx context.Context, name string) (string, error)
}

// holdOnRoles finds what others have given to the environment's roles, and what they have put them into.
func holdOnRoles(ctx context.Context, api roleAPI, stacks templates, holds holdings) ([]obstacle, error) {
	var foreign []obstacle
	for _, stack := range slices.Sorted(maps.Keys(holds)) {
		var declared map[string]json.RawMessage
		for _, r := range holds[stack] {
			if r.Type != "AWS::IAM::Role" {
				continue
			}
			if declared == nil {
				var err error
				if declared, err = resourcesIn(ctx, stacks, stack); err != nil {
					return nil, err
				}
			}
			policies, err := otherPolicies(ctx, api, r.ID, declared[r.LogicalID])
			if err != nil {
				return nil, err
			}
			profiles, err := otherProfiles(ctx, api, r.ID, holds.ids("AWS::IAM::InstanceProfile"))
			if err != nil {
				return nil, err
			}
			foreign = append(append(foreign, policies...), profiles...)
		}
	}
	return foreign, nil
}

// otherPolicies finds policies that others have given to a role: IAM deletes no role that has one which
// its stack does not know (aws-traps.md, row 6.8). Whoever attached it may do so again, and may want to
// know, so it is not taken away unasked.
func otherPolicies(ctx context.Context, api roleAPI, role string, declaration json.RawMessage) ([]obstacle, error) {
	has, err := policiesOf(ctx, api, role)
	var foreign []obstacle
	for _, p := range has {
		if !declares(declaration, p.name) {
			foreign = append(foreign, obstacle{
				what: fmt.Sprintf("%s of %s", p, role), why: "IAM deletes no role with policies that its stack does not know",
				remedy: p.remedy(role),
			})
		}
	}
	return foreign, err
}

// profileOfNodeGroup is what the names of the instance profiles begin with that EKS makes for a managed
// node group, and takes away with it:
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSServiceRoleForAmazonEKSNodegroup.html
const profileOfNodeGroup = "eks-"

// otherProfiles finds the instance profiles of others that a role is in.
func otherProfiles(ctx context.Context, api roleAPI, role string, ours []string) ([]obstacle, error) {
	var foreign []obstacle
	for page := iam.NewListInstanceProfilesForRolePaginator(api, &iam.ListInstanceProfilesForRoleInput{RoleName: &role}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.Gone(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the instance profiles that role %s is in", role)
		}
		for _, p := range out.InstanceProfiles {
			name := aws.ToString(p.InstanceProfileName)
			if slices.Contains(ours, name) || strings.HasPrefix(name, profileOfNodeGroup) {
				continue
			}
			foreign = append(foreign, obstacle{
				what: fmt.Sprintf("instance profile %s with %s", name, role), why: "IAM deletes no role that is in an instance profile",
				remedy: fmt.Sprintf("aws iam remove-role-from-instance-profile --role-name %s --instance-profile-name %s", role, name),
			})
		}
	}
	return foreign, nil
}

// resourcesIn are a stack's resources by their logical ids, as the template declares them.
func resourcesIn(ctx context.Context, stacks templates, stack string) (map[string]json.RawMessage, error) {
	text, err := stacks.Template(ctx, stack)
	if err != nil || text == "" {
		return map[string]json.RawMessage{}, err
	}
	var template struct {
		Resources map[string]json.RawMessage `json:"Resources"`
	}
	if err := json.Unmarshal([]byte(text), &template); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read the template of stack %s", stack)
	}
	return template.Resources, nil
}

// declares reports whether a role's declaration names the policy, as the end of an ARN or as a name.
func declares(role json.RawMessage, policy string) bool {
	text := string(role)
	return strings.Contains(text, "/"+policy+`"`) || strings.Contains(text, `"`+policy+`"`)
}

// policy is one of a role's; one without ARN is part of the role.
type policy struct{ name, arn string }

func (p policy) String() string {
	if p.arn == "" {
		return "inline policy " + p.name
	}
	return "policy " + p.arn
}

func (p policy) remedy(role string) string {
	if p.arn == "" {
		return fmt.Sprintf("aws iam delete-role-policy --role-name %s --policy-name %s", role, p.name)
	}
	return fmt.Sprintf("aws iam detach-role-policy --role-name %s --policy-arn %s", role, p.arn)
}

// policiesOf lists a role's policies; a role that is not there has none.
func policiesOf(ctx context.Context, api roleAPI, role string) ([]policy, error) {
	var has []policy
	for page := iam.NewListAttachedRolePoliciesPaginator(api, &iam.ListAttachedRolePoliciesInput{RoleName: &role}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.Gone(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the policies attached to role %s", role)
		}
		for _, p := range out.AttachedPolicies {
			has = append(has, policy{name: aws.ToString(p.PolicyName), arn: aws.ToString(p.PolicyArn)})
		}
	}
	for page := iam.NewListRolePoliciesPaginator(api, &iam.ListRolePoliciesInput{RoleName: &role}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.Gone(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the inline policies of role %s", role)
		}
		for _, name := range out.PolicyNames {
			has = append(has, policy{name: name})
		}
	}
	return has, nil
}
