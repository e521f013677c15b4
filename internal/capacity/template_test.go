package capacity

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// decoded is a template as JSON.
func decoded(t *testing.T, text string) object {
	t.Helper()
	var body object
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	return body
}

// at is what a template has at a path of keys.
func at(t *testing.T, text, path string) any {
	t.Helper()
	var value any = decoded(t, text)
	for key := range strings.SplitSeq(path, "/") {
		value = value.(object)[key]
	}
	return value
}

const (
	properties = "Resources/NodeGroup/Properties"
	ownName    = `{"Key":"Name","Value":{"Fn::Sub":"${Prefix}-${Name}-node"}}`
	ownMark    = `{"Key":"eks-environment","Value":{"Fn::Sub":"${Prefix}-${Name}"}}`
)

func TestManagedTemplate(t *testing.T) {
	plain := environment.Request{}
	full := environment.Request{
		NodeLabels: map[string]string{"workload": "batch", "a/b": "c"},
		NodeTaints: []environment.Taint{{Key: "dedicated", Value: "batch", Effect: "NO_SCHEDULE"}, {Key: "x", Effect: "NO_EXECUTE"}},
		Tags:       map[string]string{"team": "batch", "cost-center": "4711", "Name": "mine", "eks-environment": "mine"},
	}
	cases := map[string]struct {
		reason         string
		request        environment.Request
		labels, taints string
		tags           string
	}{
		"Plain": {"nothing is added", plain, "null", "null", ownName + "," + ownMark},
		"Full": {
			"what the request says; the names by which the provider finds its own stay", full,
			`{"a/b":"c","workload":"batch"}`, `[{"Effect":"NO_SCHEDULE","Key":"dedicated","Value":"batch"},{"Effect":"NO_EXECUTE","Key":"x"}]`,
			ownName + "," + ownMark + `,{"Key":"cost-center","Value":"4711"},{"Key":"team","Value":"batch"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ManagedTemplate(tc.request)
			if err != nil {
				t.Fatal(err)
			}
			text := func(v any) string {
				raw, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				return string(raw)
			}
			group := at(t, got, properties).(object)
			if diff := cmp.Diff([]string{tc.labels, tc.taints}, []string{text(group["Labels"]), text(group["Taints"])}); diff != "" {
				t.Errorf("%s: labels and taints (-want +got):\n%s", tc.reason, diff)
			}
			var kinds []string
			for _, s := range at(t, got, tagsPath).([]any) {
				specification := s.(object)
				kinds = append(kinds, specification["ResourceType"].(string))
				if diff := cmp.Diff("["+tc.tags+"]", text(specification["Tags"])); diff != "" {
					t.Errorf("%s: tags of %s (-want +got):\n%s", tc.reason, specification["ResourceType"], diff)
				}
			}
			if diff := cmp.Diff([]string{"instance", "volume", "network-interface"}, kinds); diff != "" {
				t.Errorf("what is tagged (-want +got):\n%s", diff)
			}
			// Everything else is the template's.
			delete(group, "Labels")
			delete(group, "Taints")
			rest, base := decoded(t, got), decoded(t, templates.CapacityManaged)
			for _, body := range []object{rest, base} {
				resources := body["Resources"].(object)
				delete(resources["LaunchTemplate"].(object)["Properties"].(object)["LaunchTemplateData"].(object), "TagSpecifications")
				for _, key := range []string{"Labels", "Taints"} {
					delete(resources["NodeGroup"].(object)["Properties"].(object), key)
				}
			}
			if diff := cmp.Diff(base, rest); diff != "" {
				t.Errorf("%s: the rest (-template +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFargateTemplate(t *testing.T) {
	usual, err := FargateTemplate(environment.Request{NodeType: environment.NodeTypeFargate}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, templates.CapacityFargate), decoded(t, usual)); diff != "" {
		t.Errorf("the default selectors are those of the template (-template +got):\n%s", diff)
	}
	chosen, err := FargateTemplate(environment.Request{FargateSelectors: []environment.FargateSelector{
		{Namespace: "kube-system"}, {Namespace: "team-*", Labels: map[string]string{"tier": "web", "b": "c"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		object{"Namespace": "kube-system"},
		object{"Namespace": "team-*", "Labels": []any{object{"Key": "b", "Value": "c"}, object{"Key": "tier", "Value": "web"}}},
	}
	if diff := cmp.Diff(want, at(t, chosen, "Resources/Profile/Properties/Selectors")); diff != "" {
		t.Errorf("selectors (-want +got):\n%s", diff)
	}
}

// The largest request that is valid makes a template that CloudFormation takes (aws-traps.md, row 1.62).
func TestLargestTemplate(t *testing.T) {
	r := map[string]any{
		"name": "development", "prefix": "opa", "awsAccountID": "222222222222", "awsRegion": "us-east-1", "vpcConfiguration": "create_new",
		"environmentRole": "arn:aws:iam::222222222222:role/r", "apiAccess": "private", "nodeType": "MANAGED",
	}
	tags, labels, taints := map[string]any{}, map[string]any{}, []any{}
	for i := range 40 {
		tags[fmt.Sprintf("%0100d", i)] = strings.Repeat("ü", 100)
	}
	for i := range 20 {
		labels[fmt.Sprintf("%063d", i)] = strings.Repeat("v", 63)
	}
	for i := range 10 {
		taints = append(taints, object{"key": fmt.Sprintf("%063d", i), "value": strings.Repeat("v", 63), "effect": "PREFER_NO_SCHEDULE"})
	}
	r["tags"], r["nodeLabels"], r["nodeTaints"] = tags, labels, taints
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	request, err := environment.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ManagedTemplate(request)
	if err != nil || len(got) >= 51_200 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
