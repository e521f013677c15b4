package contract_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/harmonix-eks/environment-provider/internal/account"
)

const environmentRoleFile = "infra/environment-role.yaml"

// called are the actions that the stages call in the target account. What CloudFormation does with the
// role's rights to make the bootstrap stack is not among them.
func called() []string {
	return []string{
		"cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:DeleteStack",
		"cloudformation:RollbackStack", "cloudformation:ContinueUpdateRollback",
		"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:ListStackResources", "cloudformation:GetTemplate",
		"cloudformation:GetStackPolicy", "cloudformation:SetStackPolicy", "cloudformation:UpdateTerminationProtection",
		"cloudformation:CreateChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DeleteChangeSet",
		"ec2:DescribeAvailabilityZones",
		"ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeDhcpOptions", "ec2:DescribeSubnets", "ec2:DescribeRouteTables",
		"ec2:DescribeNatGateways", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcEndpointServices", "iam:GetPolicy", "ec2:DescribeSecurityGroups",
		"ec2:CreateTags", "ec2:DeleteTags",
		"dynamodb:DescribeTable",
		"ec2:DescribeAddresses", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeInstances", "ec2:DescribeInternetGateways",
		"eks:DescribeCluster", "eks:DescribeClusterVersions",
		"eks:ListNodegroups", "eks:DescribeNodegroup", "eks:ListFargateProfiles", "eks:DescribeFargateProfile",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeVolumes",
		"ec2:DescribeEgressOnlyInternetGateways", "ec2:DescribeNetworkAcls", "ec2:DescribeVpcPeeringConnections", "ec2:DescribeVpnGateways",
		"ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress",
		"ec2:DeleteVolume", "ec2:DeleteVpcEndpoints",
		"elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroups",
		"elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:DeleteTargetGroup", "elasticloadbalancing:ModifyLoadBalancerAttributes",
		"logs:DeleteLogGroup", "kms:DescribeKey", "kms:ScheduleKeyDeletion", "kms:TagResource",
		"eks:ListClusters",
		"iam:GetAccountSummary", "iam:GetRole", "iam:SimulatePrincipalPolicy",
		"iam:GetOpenIDConnectProvider", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
		"kms:ListAliases",
		"lambda:GetFunctionConfiguration", "lambda:InvokeFunction",
		"logs:DescribeLogGroups",
		"servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota",
		"ssm:GetParameters",
		"tag:GetResources",
		"s3:GetObject", "s3:PutObject",
	}
}

// uncalled are the actions that AWS asks for besides those that are called.
func uncalled() []string {
	return []string{
		"cloudformation:TagResource", "cloudformation:UntagResource", // stacks with tags
		"iam:PassRole",  // stacks with a service role
		"s3:ListBucket", // HeadObject of an object that is not there
	}
}

// platformCalls are those that stages make in the platform account, with their own roles.
func platformCalls() []string {
	return []string{
		"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "events:PutEvents", "lambda:GetFunction", "lambda:GetLayerVersion", "ssm:GetParameter",
		"states:DescribeExecution",
	}
}

// actionOf gives a call of the SDK its name in policies, where that is another one.
func actionOf(service, operation string) string {
	if name, other := map[string]string{"sfn": "states", "elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing", "cloudwatchlogs": "logs", "eventbridge": "events", "tagging": "tag"}[service]; other {
		service = name
	}
	switch action := service + ":" + operation; action {
	case "lambda:Invoke":
		return "lambda:InvokeFunction"
	case "s3:HeadObject":
		return "s3:GetObject"
	default:
		return action
	}
}

// The environment role allows what the stages call, and nothing else.
func TestEnvironmentRole(t *testing.T) {
	want := slices.Concat(called(), uncalled())
	slices.Sort(want)
	if diff := cmp.Diff(want, allowedToStages(t)); diff != "" {
		t.Errorf("%s (-called +allowed):\n%s", environmentRoleFile, diff)
	}
	callers := calls(t)
	for _, action := range called() {
		if callers[action] == nil {
			t.Errorf("no stage calls %s", action)
		}
	}
	for _, action := range slices.Sorted(maps.Keys(callers)) {
		if !slices.Contains(slices.Concat(called(), platformCalls()), action) {
			t.Errorf("internal/%s calls %s: allow it in %s, or say here that it is not called in the target account",
				strings.Join(callers[action], ", "), action, environmentRoleFile)
		}
	}
}

// A plan's session may do what the role may, as far as that reads, and no more than it has to besides:
// change sets, and the kubectl function, which is asked for dry runs.
func TestSessionOfAPlan(t *testing.T) {
	var policy struct {
		Statement []struct {
			Effect, Resource string
			Action           []string
		}
	}
	if err := json.Unmarshal([]byte(account.PlanPolicy), &policy); err != nil || len(policy.Statement) != 1 || policy.Statement[0].Effect != "Allow" {
		t.Fatalf("the session policy is not one list of what is allowed (%v): %s", err, account.PlanPolicy)
	}
	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	if n := len(account.PlanPolicy); n > 2048 {
		t.Errorf("the session policy has %d characters, STS takes 2,048", n)
	}
	reads := regexp.MustCompile(`^\w+:(Describe|Get|List|Simulate)`)
	besides := []string{"cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet", "cloudformation:TagResource", "lambda:InvokeFunction"}
	for _, action := range allowedToStages(t) {
		allowed := slices.ContainsFunc(policy.Statement[0].Action, func(pattern string) bool {
			matched, err := path.Match(pattern, action)
			return err == nil && matched
		})
		if want := reads.MatchString(action) || slices.Contains(besides, action); allowed != want {
			t.Errorf("%s: allowed to a plan: %t, want %t", action, allowed, want)
		}
	}
}

// calls are the calls of AWS that stages make, each with the folders of internal that make it. The
// kubectl function, which has a role of its own, is made of kube, kubectl and helm; so has the delete hook.
func calls(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..", "internal")
	call := regexp.MustCompile(`&(\w+)\.(\w+)Input\{`)
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		if slices.Contains([]string{"deletehook", "kube", "kubectl", "helm"}, folder) {
			return nil
		}
		for _, m := range call.FindAllStringSubmatch(string(text), -1) {
			action := actionOf(m[1], m[2])
			if !slices.Contains(found[action], filepath.ToSlash(folder)) {
				found[action] = append(found[action], filepath.ToSlash(folder))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// allowedToStages are the actions of the role's policies, without those on the bootstrap stack's resources.
func allowedToStages(t *testing.T) []string {
	t.Helper()
	var document struct {
		Resources struct {
			EnvironmentRole struct {
				Properties struct {
					Policies []struct {
						PolicyName     string `yaml:"PolicyName"`
						PolicyDocument struct {
							Statement []struct {
								Action any `yaml:"Action"`
							} `yaml:"Statement"`
						} `yaml:"PolicyDocument"`
					} `yaml:"Policies"`
				} `yaml:"Properties"`
			} `yaml:"EnvironmentRole"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, environmentRoleFile), &document); err != nil {
		t.Fatalf("%s: %v", environmentRoleFile, err)
	}
	var actions []string
	for _, p := range document.Resources.EnvironmentRole.Properties.Policies {
		if p.PolicyName == "bootstrap" {
			continue
		}
		for _, s := range p.PolicyDocument.Statement {
			actions = append(actions, list(s.Action)...)
		}
	}
	slices.Sort(actions)
	// One action may be allowed for several kinds of tags.
	return slices.Compact(actions)
}
