package teardown

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	stackTemplates "github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// What is kept of a stack is of the kind that was asked for, in the template as it is.
func TestRetainedResources(t *testing.T) {
	names := environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})
	cases := map[string]struct {
		reason string
		retain []string
		want   map[string]string
	}{
		"Nothing": {"nothing was asked for", nil, map[string]string{}},
		"Table": {"the table cannot be read without its key", []string{"auditTable"}, map[string]string{
			"AuditTable": "AWS::DynamoDB::Table", "AuditKey": "AWS::KMS::Key",
		}},
		"Keys": {"both of them", []string{"keys"}, map[string]string{"AuditKey": "AWS::KMS::Key", "SecretsKey": "AWS::KMS::Key"}},
		"Logs": {"those that are a stack's", []string{"logs"}, map[string]string{"LogGroup": "AWS::Logs::LogGroup", "FlowLogGroup": "AWS::Logs::LogGroup"}},
		"All": {"everything, once", []string{"auditTable", "keys", "logs"}, map[string]string{
			"AuditTable": "AWS::DynamoDB::Table", "AuditKey": "AWS::KMS::Key", "SecretsKey": "AWS::KMS::Key",
			"LogGroup": "AWS::Logs::LogGroup", "FlowLogGroup": "AWS::Logs::LogGroup",
		}},
	}
	texts := map[string]string{names.IdentityStack: stackTemplates.Identity, names.KubectlStack: stackTemplates.Kubectl, names.EgressStack: stackTemplates.Egress}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, stack := range names.Stacks() {
				for _, id := range retained(environment.Request{Retain: tc.retain}, names, stack) {
					var parsed struct {
						Resources map[string]struct{ Type string }
					}
					if err := json.Unmarshal([]byte(texts[stack]), &parsed); err != nil {
						t.Fatal(err)
					}
					got[id] = parsed.Resources[id].Type
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKeptKeys(t *testing.T) {
	survey := &environment.Survey{KeyARNs: []string{"audit", "secrets"}, AuditKeyARN: "audit"}
	cases := map[string]struct {
		retain     []string
		kept, rest []string
	}{
		"Nothing": {nil, nil, []string{"audit", "secrets"}},
		"Logs":    {[]string{"logs"}, nil, []string{"audit", "secrets"}},
		"Table":   {[]string{"auditTable"}, []string{"KMS key audit"}, []string{"secrets"}},
		"Keys":    {[]string{"keys"}, []string{"KMS key audit", "KMS key secrets"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			kept, rest := keptKeys(environment.Request{Retain: tc.retain}, survey)
			var what []string
			for _, l := range kept {
				what = append(what, l.What)
			}
			if diff := cmp.Diff([][]string{tc.kept, tc.rest}, [][]string{what, rest}); diff != "" {
				t.Errorf("kept and rest (-want +got):\n%s", diff)
			}
		})
	}
}

// tables is DynamoDB with one table, or an error.
type tables struct{ err error }

func (a tables) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{}, a.err
}

// The table is said to be kept where it is there, not where it was to be kept.
func TestKeptTable(t *testing.T) {
	cases := map[string]struct {
		retain []string
		err    error
		want   []environment.Leftover
		code   fault.Code
	}{
		"There":  {[]string{"auditTable"}, nil, []environment.Leftover{{What: "table opa-dev-audit", Why: "retain names auditTable"}}, ""},
		"Gone":   {[]string{"auditTable"}, &types.ResourceNotFoundException{}, nil, ""},
		"Denied": {[]string{"auditTable"}, &smithy.GenericAPIError{Code: "AccessDeniedException"}, nil, "AccessDenied"},
		"Earlier": {[]string{"logs"}, nil, []environment.Leftover{{
			What: "table opa-dev-audit",
			Why:  "an earlier removal was to keep it, or its stack was deleted without it; if nobody needs it: aws dynamodb delete-table --table-name opa-dev-audit",
		}}, ""},
		"Removed": {nil, &types.ResourceNotFoundException{}, nil, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := keptTable(t.Context(), tables{tc.err}, environment.State{
				Request: environment.Request{Retain: tc.retain}, Names: environment.Names{AuditTable: "opa-dev-audit"},
			})
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("got %v, want %q", err, tc.code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeptLogs(t *testing.T) {
	groups := func(context.Context) ([]item, error) { return []item{{what: "log group g"}}, nil }
	for name, want := range map[string][]environment.Leftover{"logs": {{What: "log group g", Why: "retain names logs"}}, "keys": nil} {
		got, err := keptLogs(t.Context(), groups, environment.Request{Retain: []string{name}})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s (-want +got):\n%s%v", name, diff, err)
		}
	}
}
