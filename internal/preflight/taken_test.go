package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// Every fixed name that a template gives is looked for;
// layers have versions, so a name that is there is no obstacle.
func TestNamesOfTemplates(t *testing.T) {
	request := environment.Request{Prefix: "opa", Name: "dev", Region: "us-east-1", AccountID: "222222222222", VPCConfiguration: "create_new"}
	looked := map[string]bool{}
	for _, nodeType := range []string{"FARGATE", "MANAGED"} {
		r := request
		r.NodeType = nodeType
		s := subject{request: r, names: environment.NamesOf(r)}
		for _, n := range slices.Concat(roleNames(s), aliasNames(s), logGroupNames(s), parameterNames(s)) {
			looked[n.of] = true
		}
		looked[s.names.AuditTable], looked[s.names.KubectlFunction], looked[s.names.Cluster] = true, true, true
	}
	files, err := filepath.Glob("../../infra/templates/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("found %q, %v", files, err)
	}
	want := map[string]bool{}
	for _, file := range files {
		for _, name := range fixedNames(t, file) {
			want[name] = true
		}
	}
	if diff := cmp.Diff(want, looked); diff != "" {
		t.Errorf("names in templates and names looked for (-templates +looked for):\n%s", diff)
	}
}

// fixedNames are the names that a template gives to what it makes.
func fixedNames(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	property := map[string]string{
		"AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::KMS::Alias": "AliasName", "AWS::Logs::LogGroup": "LogGroupName",
		"AWS::Lambda::Function": "FunctionName", "AWS::EKS::Cluster": "Name", "AWS::SSM::Parameter": "Name",
	}
	fill := strings.NewReplacer("${Prefix}", "opa", "${Name}", "dev", "${AWS::Region}", "us-east-1", "${AWS::AccountId}", "222222222222")
	var names []string
	for _, resource := range template.Resources {
		if value, ok := resource.Properties[property[resource.Type]].(map[string]any); ok {
			if text, ok := value["Fn::Sub"].(string); ok {
				names = append(names, fill.Replace(text))
			}
		}
	}
	return names
}

// parameters are those of an account. A call with more than ten names fails, as SSM's does.
type parameters []string

func (p parameters) GetParameters(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	if len(in.Names) == 0 || len(in.Names) > 10 {
		return nil, errors.New("ValidationException: names must have 1 to 10 members")
	}
	out := &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		if slices.Contains(p, name) {
			out.Parameters = append(out.Parameters, ssmtypes.Parameter{Name: &name})
		}
	}
	return out, nil
}

func TestTakenParameters(t *testing.T) {
	cases := map[string]struct {
		reason string
		there  parameters
		change func(*subject)
		want   []string
	}{
		// harmonix-contract.md, sections 5.2 and 6: applications write beside the environment's own.
		"Applications": {"an environment that was removed leaves them, and is made again", parameters{"/opa/dev/shop-admin-role", "/opa/dev/shop-admin-role-arn"}, nil, nil},
		"Own":          {"the stack could not make it", parameters{"/opa/dev/vpc/private-subnets", "/opa/dev/kubectl-lambda-role-arn"}, nil, []string{"/opa/dev/vpc/private-subnets", "/opa/dev/kubectl-lambda-role-arn"}},
		"Fargate":      {"with managed nodes there is no such parameter", parameters{"/opa/dev/pod-execution-role"}, nil, nil},
		"Made": {"they are the stack's", parameters{"/opa/dev/vpc"}, func(s *subject) {
			s.statuses = map[string]cfntypes.StackStatus{s.names.ProviderStack: "CREATE_COMPLETE"}
		}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := lookForParameters(t.Context(), tc.there, dev(tc.change))
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("%s: got %v, %v", tc.reason, got, err)
			}
			for i, want := range tc.want {
				if got[i].Code != "NameTaken" || !strings.Contains(got[i].Found, "SSM parameter "+want+" already") {
					t.Errorf("%s: got %v", tc.reason, got[i])
				}
			}
		})
	}
}

func TestNewNames(t *testing.T) {
	s := subject{statuses: map[string]cfntypes.StackStatus{
		"made": "CREATE_COMPLETE", "moving": "CREATE_IN_PROGRESS", "failed": "ROLLBACK_COMPLETE", "halfway": "ROLLBACK_FAILED", "planned": "REVIEW_IN_PROGRESS",
	}}
	var got []string
	for _, n := range newNames([]name{{"a", "made"}, {"b", "moving"}, {"c", "failed"}, {"d", "halfway"}, {"e", "planned"}, {"f", "absent"}}, s) {
		got = append(got, n.of)
	}
	if diff := cmp.Diff([]string{"c", "e", "f"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What another execution has made since is not foreign: Lock tells the two apart.
func TestTakenMeanwhile(t *testing.T) {
	n := name{"role", "stack"}
	s := subject{describer: fakeStacks{"stack": {Status: "CREATE_IN_PROGRESS"}}}
	if got, err := taken(t.Context(), s, "role", "", n); err != nil || len(got) > 0 {
		t.Errorf("made since: got %v, %v", got, err)
	}
	s.statuses = map[string]cfntypes.StackStatus{"stack": "ROLLBACK_COMPLETE"}
	if got, err := taken(t.Context(), s, "role", "", n); err != nil || len(got) != 1 || got[0].Code != "NameTaken" {
		t.Errorf("left by a failure: got %v, %v", got, err)
	}
	s = subject{describer: fakeStacks{}}
	if got, err := taken(t.Context(), s, "role", "", n); err != nil || len(got) != 1 {
		t.Errorf("not there: got %v, %v", got, err)
	}
}
