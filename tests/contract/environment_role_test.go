package contract_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const environmentRoleFile = "infra/environment-role.yaml"

// called are the actions that the stages call in the target account. What CloudFormation does with the
// role's rights to make the bootstrap stack is not among them.
func called() []string {
	return []string{
		"cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:DeleteStack",
		"cloudformation:RollbackStack", "cloudformation:ContinueUpdateRollback",
		"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:GetTemplate",
		"cloudformation:GetStackPolicy", "cloudformation:SetStackPolicy",
		"ec2:DescribeAvailabilityZones",
		"eks:DescribeCluster", "eks:DescribeClusterVersions",
		"eks:ListNodegroups", "eks:DescribeNodegroup", "eks:ListFargateProfiles", "eks:DescribeFargateProfile",
		"lambda:InvokeFunction",
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
		"dynamodb:DeleteItem", "dynamodb:PutItem", "lambda:GetFunction", "lambda:GetLayerVersion", "ssm:GetParameter",
		"states:DescribeExecution",
	}
}

// actionOf gives a call of the SDK its name in policies, where that is another one.
func actionOf(service, operation string) string {
	if service == "sfn" {
		service = "states"
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

// calls are the calls of AWS that stages make, each with the folders of internal that make it. The
// kubectl function, which has a role of its own, is made of kube, kubectl and helm.
func calls(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..", "internal")
	call := regexp.MustCompile(`&(\w+)\.(\w+)Input\{`)
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if slices.Contains([]string{"kube", "kubectl", "helm"}, folder) {
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
	return actions
}
