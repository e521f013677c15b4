package templates_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// The templates make names from prefix and name as the stages do.
func TestNames(t *testing.T) {
	for _, nodeType := range []string{environment.NodeTypeFargate, environment.NodeTypeManaged} {
		t.Run(nodeType, func(t *testing.T) {
			names := environment.NamesOf(environment.Request{AccountID: "222222222222", Region: "us-east-1", Prefix: "opa", Name: "dev", NodeType: nodeType})
			values := map[string]string{"Prefix": "opa", "Name": "dev", "NodeType": nodeType}
			property := func(body, id, name string) string {
				return fmt.Sprint(deploy(t, body, values).resources()[id].Properties[name])
			}
			capacity := map[string]string{environment.NodeTypeFargate: templates.CapacityFargate, environment.NodeTypeManaged: templates.CapacityManaged}[nodeType]
			got := map[string]string{
				"cluster":  property(templates.Cluster, "Cluster", "Name"),
				"capacity": clusterOf(t, capacity, values),
				"function": property(templates.Kubectl, "Function", "FunctionName"),
				"table":    property(templates.Identity, "AuditTable", "TableName"),
			}
			want := map[string]string{"cluster": names.Cluster, "capacity": names.Cluster, "function": names.KubectlFunction, "table": names.AuditTable}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("names (-stages +templates):\n%s", diff)
			}
			for id, r := range deploy(t, templates.Provider, values).resources() {
				if name, _ := r.Properties["Name"].(string); r.Type == "AWS::SSM::Parameter" && !strings.HasPrefix(name, names.ParameterPath+"/") {
					t.Errorf("%s: parameter %s is not below %s", id, name, names.ParameterPath)
				}
			}
			for id, role := range roles(deploy(t, templates.Identity, values)) {
				if name, _ := role.Properties["RoleName"].(string); !strings.HasPrefix(name, names.Environment+"-") {
					t.Errorf("%s: role %s does not begin with %s", id, name, names.Environment)
				}
			}
			checkARNs(t, names, values)
		})
	}
}

// clusterOf is the cluster that a stack's capacity belongs to.
func clusterOf(t *testing.T, body string, values map[string]string) string {
	t.Helper()
	for _, r := range deploy(t, body, values).resources() {
		if name, ok := r.Properties["ClusterName"].(string); ok {
			return name
		}
	}
	t.Error("the capacity stack names no cluster")
	return ""
}

// checkARNs holds the names inside policies to those of the stages.
func checkARNs(t *testing.T, names environment.Names, values map[string]string) {
	t.Helper()
	want := map[string]string{
		":cluster/":             names.Cluster,
		":function:":            names.KubectlFunction,
		":log-group:/aws/apps/": strings.TrimPrefix(names.LogGroup, "/aws/apps/"),
	}
	seen := map[string]bool{}
	for _, body := range []string{templates.Identity, templates.AddonRoles} {
		for id, role := range roles(deploy(t, body, values)) {
			list, _ := inline(t, role)
			for _, s := range list {
				for _, arn := range texts(s.Resource) {
					for mark, name := range want {
						_, rest, found := strings.Cut(arn, mark)
						if !found {
							continue
						}
						seen[mark] = true
						if part, _, _ := strings.Cut(strings.ReplaceAll(rest, ":", "/"), "/"); part != name {
							t.Errorf("%s: %s: %s is not %s", id, s.Sid, arn, name)
						}
					}
				}
			}
		}
	}
	// Managed nodes log by Fluent Bit's role, Fargate by that of the pods.
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("kinds of ARN (-want +seen):\n%s", diff)
	}
}
