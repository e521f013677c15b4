package preflight

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// Every fixed name that a template gives is looked for. Parameters of SSM are looked for by their path;
// layers have versions, so a name that is there is no obstacle.
func TestNamesOfTemplates(t *testing.T) {
	request := environment.Request{Prefix: "opa", Name: "dev", Region: "us-east-1", AccountID: "222222222222", VPCConfiguration: "create_new"}
	looked := map[string]bool{}
	for _, nodeType := range []string{"FARGATE", "MANAGED"} {
		r := request
		r.NodeType = nodeType
		s := subject{request: r, names: environment.NamesOf(r)}
		for _, n := range slices.Concat(roleNames(s), aliasNames(s), logGroupNames(s)) {
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
		"AWS::Lambda::Function": "FunctionName", "AWS::EKS::Cluster": "Name",
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
