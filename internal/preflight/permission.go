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

// removing are what the stages of a removal look with: a role from before they did so fails when the work
// has begun. What they delete with is held to tags, so it cannot be asked about.
func removing(s subject) []permission {
	n, account := s.names, s.request.AccountID
	return []permission{
		{actions: []string{
			"cloudformation:DeleteStack", "cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:ListStackResources",
			"cloudformation:UpdateStack", "cloudformation:UpdateTerminationProtection",
		}, resource: "arn:aws:cloudformation:" + s.request.Region + ":" + account + ":stack/" + n.ClusterStack + "/*"},
		{actions: []string{
			"ec2:DescribeEgressOnlyInternetGateways", "ec2:DescribeNetworkAcls", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
			"ec2:DescribeVolumes", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcPeeringConnections", "ec2:DescribeVpnGateways",
		}, resource: "*"},
		{actions: []string{
			"elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
			"elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroups",
		}, resource: "*"},
		{actions: []string{"tag:GetResources"}, resource: "*"},
		{actions: []string{"iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies"}, resource: "arn:aws:iam::" + account + ":role/" + n.Environment + "-operations-role"},
	}
}

// removingRole looks whether the environment role may look as a removal does.
func removingRole(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookAt(ctx, iam.NewFromConfig(s.config), s, removing(s))
}

// environmentRole looks whether the environment role may do what the stages do with it. IAM counts in
// what the account's organization forbids.
func environmentRole(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookAtPermissions(ctx, iam.NewFromConfig(s.config), s)
}

func lookAtPermissions(ctx context.Context, api simulator, s subject) ([]finding.Finding, error) {
	return lookAt(ctx, api, s, permissions(s))
}

func lookAt(ctx context.Context, api simulator, s subject, all []permission) ([]finding.Finding, error) {
	var missing, uncertain []string
	for _, p := range all {
		denied, err := simulate(ctx, api, s, s.request.EnvironmentRole, p)
		if err != nil {
			return nil, err
		}
		missing, uncertain = append(missing, denied.certain...), append(uncertain, denied.uncertain...)
	}
	var found []finding.Finding
	if len(missing) > 0 {
		found = append(found, finding.Errorf("PermissionMissing", "/environmentRole", "%s may not call %s", s.request.EnvironmentRole, listed(missing)).
			WithNext("deploy infra/environment-role.yaml of this orchestrator's version into account %s, or look for a boundary that forbids it", s.request.AccountID))
	}
	if len(uncertain) > 0 {
		found = append(found, finding.Warningf("PermissionUncertain", "/environmentRole", "%s may not be allowed to call %s: by IAM's simulator a policy of the account's organization denies it, or a condition "+
			"whose key the simulator was not told", s.request.EnvironmentRole, listed(uncertain)).
			WithNext("if a stage fails with AccessDenied, look at the organization's policies and at conditions in the role's policies and boundary"))
	}
	return found, nil
}

func listed(actions []string) string {
	slices.Sort(actions)
	return strings.Join(slices.Compact(actions), ", ")
}

// denial is what the simulator says that a role may not do.
type denial struct {
	certain []string
	// uncertain are actions that a real call may be allowed: see [doubtful].
	uncertain []string
}

// simulate returns those of p's actions that the role is not allowed. The region is part of a call, and
// what many organizations hold it to; global services are in us-east-1
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requestedregion).
func simulate(ctx context.Context, api simulator, s subject, role string, p permission) (denial, error) {
	region := s.request.Region
	if strings.HasPrefix(p.actions[0], "iam:") {
		region = "us-east-1"
	}
	in := &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: &role, ActionNames: p.actions, ResourceArns: []string{p.resource},
		ContextEntries: []types.ContextEntry{entry("aws:RequestedRegion", region)},
	}
	if p.key != "" {
		in.ContextEntries = append(in.ContextEntries, entry(p.key, p.value))
	}
	var denied denial
	pages := iam.NewSimulatePrincipalPolicyPaginator(api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return denied, err
		}
		for _, result := range page.EvaluationResults {
			switch {
			case result.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed:
			case doubtful(result):
				denied.uncertain = append(denied.uncertain, aws.ToString(result.EvalActionName))
			default:
				denied.certain = append(denied.certain, aws.ToString(result.EvalActionName))
			}
		}
	}
	return denied, nil
}

func entry(key, value string) types.ContextEntry {
	return types.ContextEntry{ContextKeyName: &key, ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{value}}
}

// doubtful reports whether a denial may come from a condition key that the call would have and the
// simulation has not. Keys that the role's own policies ask for are listed, for a resource with that
// resource; keys that an organization's policies ask for are not
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html).
func doubtful(result types.EvaluationResult) bool {
	forbids := func(o *types.OrganizationsDecisionDetail) bool { return o != nil && !o.AllowedByOrganizations }
	if len(result.MissingContextValues) > 0 || forbids(result.OrganizationsDecisionDetail) {
		return true
	}
	return slices.ContainsFunc(result.ResourceSpecificResults, func(r types.ResourceSpecificResult) bool {
		return len(r.MissingContextValues) > 0
	})
}
