package preflight

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// simulator is what the checks need to ask IAM what a role may do.
type simulator interface {
	iam.SimulatePrincipalPolicyAPIClient
}

// permission is what a role has to be allowed on a resource, with the condition key that a policy may
// hold it to.
type permission struct {
	actions    []string
	resource   string
	key, value string
}

// permissions are what the stages do with the environment role. What only preflight itself asks for is
// not among them: its lack shows in the checks that were not made.
func permissions(s subject) []permission {
	r, n := s.request, s.names
	in := func(service, resource string) string {
		return "arn:aws:" + service + ":" + r.Region + ":" + r.AccountID + ":" + resource
	}
	bucket := "arn:aws:s3:::eks-env-artifacts-" + r.AccountID + "-" + r.Region
	all := []permission{
		{actions: []string{
			"cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:DeleteStack", "cloudformation:RollbackStack",
			"cloudformation:ContinueUpdateRollback", "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents",
			"cloudformation:GetTemplate", "cloudformation:GetStackPolicy", "cloudformation:SetStackPolicy", "cloudformation:TagResource",
		}, resource: in("cloudformation", "stack/"+n.ClusterStack+"/*")},
		{actions: []string{"iam:PassRole"}, resource: serviceRole(s), key: "iam:PassedToService", value: "cloudformation.amazonaws.com"},
		{actions: []string{"s3:GetObject", "s3:PutObject"}, resource: bucket + "/kubectl.zip"},
		{actions: []string{"lambda:InvokeFunction"}, resource: in("lambda", "function:"+n.KubectlFunction)},
		{actions: []string{"eks:DescribeCluster", "eks:ListNodegroups", "eks:ListFargateProfiles"}, resource: in("eks", "cluster/"+n.Cluster)},
		{actions: []string{"ec2:DescribeAvailabilityZones"}, resource: "*"},
	}
	if s.exists(n.BootstrapStack) {
		return all
	}
	// The bootstrap stack is made with the environment role's own permissions.
	return append(all,
		permission{actions: []string{"iam:CreateRole", "iam:TagRole", "iam:GetRole"}, resource: serviceRole(s)},
		permission{actions: []string{"iam:CreatePolicy", "iam:GetPolicy"}, resource: strings.Replace(serviceRole(s), ":role/", ":policy/", 1) + "-Network"},
		permission{actions: []string{"s3:CreateBucket", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration"}, resource: bucket},
	)
}

// environmentRole looks whether the environment role may do what the stages do with it. IAM counts in
// what the account's organization forbids.
func environmentRole(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookAtPermissions(ctx, iam.NewFromConfig(s.config), s)
}

func lookAtPermissions(ctx context.Context, api simulator, s subject) ([]finding.Finding, error) {
	var missing []string
	for _, p := range permissions(s) {
		denied, err := simulate(ctx, api, s.request.EnvironmentRole, p)
		if err != nil {
			return nil, err
		}
		missing = append(missing, denied...)
	}
	if len(missing) == 0 {
		return nil, nil
	}
	slices.Sort(missing)
	return []finding.Finding{finding.Errorf("PermissionMissing", "/environmentRole", "%s may not call %s", s.request.EnvironmentRole, strings.Join(slices.Compact(missing), ", ")).
		WithNext("deploy infra/environment-role.yaml of this orchestrator's version into account %s, or look for a boundary or an organization's policy that forbids it", s.request.AccountID)}, nil
}

// simulate returns those of p's actions that the role is not allowed.
func simulate(ctx context.Context, api simulator, role string, p permission) ([]string, error) {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: p.actions, ResourceArns: []string{p.resource}}
	if p.key != "" {
		in.ContextEntries = []types.ContextEntry{{
			ContextKeyName: aws.String(p.key), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{p.value},
		}}
	}
	var denied []string
	pages := iam.NewSimulatePrincipalPolicyPaginator(api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, result := range page.EvaluationResults {
			if result.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
				denied = append(denied, aws.ToString(result.EvalActionName))
			}
		}
	}
	return denied, nil
}
