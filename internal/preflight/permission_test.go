package preflight

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// fakeIAM has roles by name with their trust policies, and allows all actions but some.
type fakeIAM struct {
	roles  map[string]types.Role
	denied []string
}

func (f fakeIAM) GetRole(_ context.Context, in *iam.GetRoleInput, _ ...func(*iam.Options)) (*iam.GetRoleOutput, error) {
	if f.roles == nil {
		return nil, denied("IAM", "GetRole")
	}
	role, ok := f.roles[aws.ToString(in.RoleName)]
	if !ok {
		return nil, &types.NoSuchEntityException{}
	}
	return &iam.GetRoleOutput{Role: &role}, nil
}

func (f fakeIAM) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	out := &iam.SimulatePrincipalPolicyOutput{}
	for _, action := range in.ActionNames {
		decision := types.PolicyEvaluationDecisionTypeAllowed
		if slices.Contains(f.denied, action) {
			decision = types.PolicyEvaluationDecisionTypeImplicitDeny
		}
		out.EvaluationResults = append(out.EvaluationResults, types.EvaluationResult{EvalActionName: aws.String(action), EvalDecision: decision})
	}
	return out, nil
}

var (
	_ roleAPI   = (*iam.Client)(nil)
	_ simulator = (*iam.Client)(nil)
)

func dev(change func(*subject)) subject {
	r := environment.Request{Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "us-east-1", EnvironmentRole: "arn:aws:iam::222222222222:role/E", NodeType: "MANAGED"}
	s := subject{request: r, names: environment.NamesOf(r), stacks: map[string]stack.Description{}, describer: fakeStacks{}}
	if change != nil {
		change(&s)
	}
	return s
}

func TestPermissions(t *testing.T) {
	if got, err := lookAtPermissions(t.Context(), fakeIAM{}, dev(nil)); err != nil || len(got) > 0 {
		t.Errorf("all allowed: got %v, %v", got, err)
	}
	lacking := fakeIAM{denied: []string{"iam:PassRole", "s3:CreateBucket", "cloudformation:CreateStack"}}
	got, err := lookAtPermissions(t.Context(), lacking, dev(nil))
	if err != nil || len(got) != 1 || !strings.HasSuffix(got[0].Found, "may not call cloudformation:CreateStack, iam:PassRole, s3:CreateBucket") {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = lookAtPermissions(t.Context(), fakeIAM{denied: []string{"s3:CreateBucket"}}, dev(func(s *subject) { s.stacks[s.names.BootstrapStack] = stack.Description{} }))
	if err != nil || len(got) > 0 {
		t.Errorf("the bucket is there: got %v, %v", got, err)
	}
}

// evaluated is an IAM that answers every action with one result, and keeps the contexts it was given.
type evaluated struct {
	fakeIAM
	result   types.EvaluationResult
	contexts map[string]map[string]string
}

func (e evaluated) SimulatePrincipalPolicy(_ context.Context, in *iam.SimulatePrincipalPolicyInput, _ ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error) {
	out := &iam.SimulatePrincipalPolicyOutput{}
	for _, action := range in.ActionNames {
		e.contexts[action] = map[string]string{}
		for _, c := range in.ContextEntries {
			e.contexts[action][aws.ToString(c.ContextKeyName)] = strings.Join(c.ContextKeyValues, ",")
		}
		e.result.EvalActionName = &action
		out.EvaluationResults = append(out.EvaluationResults, e.result)
	}
	return out, nil
}

// A role from before a removal looked at so much is found out before anything is removed.
func TestRemovalByAnOldRole(t *testing.T) {
	old := fakeIAM{denied: []string{"tag:GetResources", "ec2:DescribeNetworkAcls"}}
	look := func(ctx context.Context, s subject) ([]finding.Finding, error) {
		return lookAt(ctx, old, s, removing(s))
	}
	err := refuseRemoval(inspect(t.Context(), dev(nil), []check{{what: "permissions", look: look}}))
	f := fault.As(err)
	if f.Code != fault.PreflightFailed || f.Field != "/environmentRole" || !strings.Contains(f.Message, "nothing was removed") || !strings.Contains(f.Message, "may not call ec2:DescribeNetworkAcls, tag:GetResources") {
		t.Errorf("got %v", err)
	}
	if got, err := lookAt(t.Context(), fakeIAM{}, dev(nil), removing(dev(nil))); err != nil || len(got) > 0 {
		t.Errorf("all allowed: got %v, %v", got, err)
	}
}

// A denial is certain only if the simulator knew what the call would have known.
func TestUncertainDenials(t *testing.T) {
	missing := types.ResourceSpecificResult{MissingContextValues: []string{"aws:PrincipalOrgID"}}
	cases := map[string]struct {
		reason   string
		result   types.EvaluationResult
		severity finding.Severity
		code     string
	}{
		"Plain":        {"nothing allows it", types.EvaluationResult{}, "error", "PermissionMissing"},
		"Organization": {"the keys that its policies ask for are not told", types.EvaluationResult{OrganizationsDecisionDetail: &types.OrganizationsDecisionDetail{}}, "warning", "PermissionUncertain"},
		"Allowed":      {"the organization does not deny it", types.EvaluationResult{OrganizationsDecisionDetail: &types.OrganizationsDecisionDetail{AllowedByOrganizations: true}}, "error", "PermissionMissing"},
		"Key":          {"of all resources", types.EvaluationResult{MissingContextValues: []string{"aws:SourceIp"}}, "warning", "PermissionUncertain"},
		"KeyOfOne":     {"of the resource that was asked about", types.EvaluationResult{ResourceSpecificResults: []types.ResourceSpecificResult{missing}}, "warning", "PermissionUncertain"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.result.EvalDecision = types.PolicyEvaluationDecisionTypeExplicitDeny
			api := evaluated{result: tc.result, contexts: map[string]map[string]string{}}
			bootstrapped := dev(func(s *subject) { s.stacks[s.names.BootstrapStack] = stack.Description{} })
			got, err := lookAtPermissions(t.Context(), api, bootstrapped)
			if err != nil || len(got) != 1 || got[0].Severity != tc.severity || got[0].Code != tc.code || got[0].Next == "" {
				t.Errorf("%s: got %v, %v", tc.reason, got, err)
			}
			api.roles = map[string]types.Role{}
			got, err = lookForLinkedRoles(t.Context(), api, bootstrapped)
			if err != nil || len(got) != 3 || got[0].Severity != tc.severity {
				t.Errorf("%s: linked roles: got %v, %v", tc.reason, got, err)
			}
		})
	}
}

// Policies that lock regions see the region of a call; IAM's is us-east-1 wherever it is called from.
func TestRegionIsTold(t *testing.T) {
	api := evaluated{result: types.EvaluationResult{EvalDecision: types.PolicyEvaluationDecisionTypeAllowed}, contexts: map[string]map[string]string{}}
	if _, err := lookAtPermissions(t.Context(), api, dev(func(s *subject) { s.request.Region = "eu-west-1" })); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		"cloudformation:CreateStack": {"aws:RequestedRegion": "eu-west-1"},
		"s3:CreateBucket":            {"aws:RequestedRegion": "eu-west-1"},
		"iam:CreateRole":             {"aws:RequestedRegion": "us-east-1"},
		"iam:PassRole":               {"aws:RequestedRegion": "us-east-1", "iam:PassedToService": "cloudformation.amazonaws.com"},
	}
	for action, context := range want {
		if diff := cmp.Diff(context, api.contexts[action]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}

// What is asked for is what the template of the environment role gives.
func TestPermissionsAreGiven(t *testing.T) {
	text, err := os.ReadFile("../../infra/environment-role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(permissions(dev(nil)), removing(dev(nil))...) {
		for _, action := range p.actions {
			if !strings.Contains(string(text), "- "+action+"\n") && !strings.Contains(string(text), "Action: "+action+"\n") {
				t.Errorf("infra/environment-role.yaml lacks %s", action)
			}
		}
	}
}

func TestLinkedRoles(t *testing.T) {
	all := map[string]types.Role{"AWSServiceRoleForAmazonEKS": {}, "AWSServiceRoleForElasticLoadBalancing": {}, "AWSServiceRoleForAmazonEKSNodegroup": {}}
	without := map[string]types.Role{"AWSServiceRoleForAmazonEKS": {}, "AWSServiceRoleForElasticLoadBalancing": {}}
	forbidden := []string{"iam:CreateServiceLinkedRole"}
	bootstrapped := func(s *subject) { s.stacks[s.names.BootstrapStack] = stack.Description{} }
	cases := map[string]struct {
		reason string
		api    fakeIAM
		change func(*subject)
		want   int
	}{
		"There":     {"all exist", fakeIAM{roles: all, denied: forbidden}, bootstrapped, 0},
		"Makeable":  {"the first node group of the account brings it", fakeIAM{roles: without}, bootstrapped, 0},
		"Forbidden": {"it can be made by somebody else only", fakeIAM{roles: without, denied: forbidden}, bootstrapped, 1},
		"Unknown":   {"no service role yet to ask about", fakeIAM{roles: without, denied: forbidden}, nil, 0},
		"Fargate":   {"another role", fakeIAM{roles: all, denied: forbidden}, func(s *subject) { bootstrapped(s); s.request.NodeType = "FARGATE" }, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := lookForLinkedRoles(t.Context(), tc.api, dev(tc.change))
			if err != nil || len(got) != tc.want {
				t.Fatalf("%s: got %v, %v", tc.reason, got, err)
			}
			if tc.want > 0 && (got[0].Code != "LinkedRoleMissing" || !strings.Contains(got[0].Next, "aws iam create-service-linked-role --aws-service-name eks-")) {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}

func TestAdmin(t *testing.T) {
	const arn = "arn:aws:iam::222222222222:role/team/boss"
	role := func(principal string) map[string]types.Role {
		policy := "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C%22Principal%22%3A" + principal + "%7D%5D%7D"
		return map[string]types.Role{"boss": {Arn: aws.String(arn), AssumeRolePolicyDocument: &policy}}
	}
	supplied := func(s *subject) { s.request.ClusterAdminRole = arn }
	live := func(s *subject) { supplied(s); s.live = "1.36" }
	cases := map[string]struct {
		reason string
		api    fakeIAM
		change func(*subject)
		want   string
		fails  bool
	}{
		"Created":    {reason: "the provider's own role trusts the function", api: fakeIAM{roles: map[string]types.Role{}}},
		"Trusts":     {reason: "everybody in the account", api: fakeIAM{roles: role("%7B%22AWS%22%3A%22arn%3Aaws%3Aiam%3A%3A222222222222%3Aroot%22%7D")}, change: supplied},
		"Refuses":    {reason: "a service only", api: fakeIAM{roles: role("%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D")}, change: supplied, want: "error RoleTrust"},
		"Missing":    {reason: "no such role", api: fakeIAM{roles: map[string]types.Role{}}, change: supplied, want: "error RoleMissing"},
		"OtherPath":  {reason: "the access entry would name nobody", api: fakeIAM{roles: role("%22*%22")}, change: func(s *subject) { s.request.ClusterAdminRole = "arn:aws:iam::222222222222:role/boss" }, want: "error RoleMissing"},
		"Unseen":     {reason: "what cannot be read is said", api: fakeIAM{}, change: supplied, want: "warning RoleTrust", fails: true},
		"UnseenLive": {reason: "the role has proved itself", api: fakeIAM{}, change: live, fails: true},
		"Nonsense":   {reason: "a policy that is none", api: fakeIAM{roles: role("3")}, change: supplied, want: "warning RoleTrust", fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := lookAtAdmin(t.Context(), tc.api, dev(tc.change))
			got := ""
			for _, f := range found {
				got += string(f.Severity) + " " + f.Code
			}
			if got != tc.want || (err != nil) != tc.fails {
				t.Errorf("%s: got %q, %v, want %q", tc.reason, got, err, tc.want)
			}
		})
	}
}

func TestLookForRoles(t *testing.T) {
	tagged := types.Role{Tags: []types.Tag{{Key: aws.String("eks-environment"), Value: aws.String("opa-dev")}}}
	got, err := lookForRoles(t.Context(), fakeIAM{roles: map[string]types.Role{"opa-dev-node-role": tagged, "opa-dev-pod-execution-role": {}}}, dev(nil))
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Found, "opa-dev-node-role") || !strings.Contains(got[0].Found, "another region") {
		t.Errorf("got %v, %v", got, err)
	}
}
