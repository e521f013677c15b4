package logging

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

func state(nodeType, ami string) environment.State {
	return environment.State{
		Request:    environment.Request{Region: "eu-west-1", NodeType: nodeType, AMIType: ami},
		Names:      environment.Names{Cluster: "opa-dev-cluster", LogGroup: "/aws/apps/opa-dev"},
		AddonRoles: &environment.AddonRoles{FluentBitRoleARN: "arn:fluent-bit"},
	}
}

func manifests(t *testing.T, s environment.State) []client.Object {
	t.Helper()
	objects, err := Manifests(s)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// names are the objects' kinds and names, in their order.
func names(objects []client.Object) []string {
	var names []string
	for _, o := range objects {
		metadata, _ := o["metadata"].(map[string]any)
		names = append(names, fmt.Sprint(o["kind"], " ", metadata["namespace"], "/", metadata["name"]))
	}
	return names
}

// at returns what is under a path of keys and indices.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := value.(map[string]any)
			if o, isObject := value.(client.Object); isObject {
				m, ok = o, true
			}
			if !ok {
				t.Fatalf("no object with %s in %v", step, value)
			}
			value = m[step]
		case int:
			list, ok := value.([]any)
			if !ok || len(list) <= step {
				t.Fatalf("no element %d in %v", step, value)
			}
			value = list[step]
		}
	}
	return value
}

// section is the lines of one section of a Fluent Bit file, each without repeated spaces.
func section(t *testing.T, file any, name, match string) []string {
	t.Helper()
	text, _ := file.(string)
	for part := range strings.SplitSeq(text, "["+name+"]\n") {
		var lines []string
		for line := range strings.Lines(part) {
			if strings.HasPrefix(strings.TrimSpace(line), "[") {
				break
			}
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		if strings.Contains(strings.Join(lines, "\n"), match) {
			return lines
		}
	}
	t.Fatalf("no %s with %q in:\n%s", name, match, text)
	return nil
}

// output is the applications' output, on both kinds of capacity: what Harmonix' Logs tab reads
// (harmonix-contract.md, sections 3.2 to 3.4).
func output() []string {
	return []string{
		"Name cloudwatch_logs",
		"Match kube.*",
		"region eu-west-1",
		"log_group_name /aws/apps/opa-dev",
		"log_stream_prefix fluent-bit-fallback-",
		"log_group_template /aws/apps/opa-dev/$kubernetes['namespace_name']",
		"log_stream_template $kubernetes['pod_name'].$kubernetes['container_name']",
		"log_retention_days 60",
		"auto_create_group true",
	}
}

// Transcribed from harmonix-contract.md, section 3.2.
func TestFargate(t *testing.T) {
	objects := manifests(t, state(environment.NodeTypeFargate, ""))
	if diff := cmp.Diff([]string{"Namespace <nil>/aws-observability", "ConfigMap aws-observability/aws-logging"}, names(objects)); diff != "" {
		t.Fatalf("objects (-want +got):\n%s", diff)
	}
	if got := at(t, objects[0], "metadata", "labels", "aws-observability"); got != "enabled" {
		t.Errorf("label: %v", got)
	}
	data, _ := at(t, objects[1], "data").(map[string]any)
	if data["flb_log_cw"] != "false" || len(data) != 4 {
		t.Errorf("data: %v", data)
	}
	got := map[string][]string{
		"parser": section(t, data["filters.conf"], "FILTER", "Name parser"),
		"pods":   section(t, data["filters.conf"], "FILTER", "Name kubernetes"),
		"output": section(t, data["output.conf"], "OUTPUT", "Name"),
		"crio":   section(t, data["parsers.conf"], "PARSER", "Name crio"),
	}
	want := map[string][]string{
		"parser": {"Name parser", "Match *", "Key_name log", "Parser crio"},
		"pods":   {"Name kubernetes", "Match kube.*", "Merge_Log On", "Keep_Log Off", "Buffer_Size 0", "Kube_Meta_Cache_TTL 300s"},
		"output": output(),
		"crio": {"Name crio", "Format Regex", "Regex ^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>P|F) (?<log>.*)$",
			"Time_Key time", "Time_Format %Y-%m-%dT%H:%M:%S.%L%z"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// After harmonix-contract.md, section 3.3.
func TestManaged(t *testing.T) {
	objects := manifests(t, state(environment.NodeTypeManaged, "AL2023_x86_64_STANDARD"))
	want := []string{
		"Namespace <nil>/amazon-cloudwatch", "ServiceAccount amazon-cloudwatch/fluent-bit", "ClusterRole <nil>/fluent-bit-role",
		"ClusterRoleBinding <nil>/fluent-bit-role-binding", "ConfigMap amazon-cloudwatch/fluent-bit-config", "DaemonSet amazon-cloudwatch/fluent-bit",
	}
	if diff := cmp.Diff(want, names(objects)); diff != "" {
		t.Fatalf("objects (-want +got):\n%s", diff)
	}
	if got := at(t, objects[1], "metadata", "annotations", "eks.amazonaws.com/role-arn"); got != "arn:fluent-bit" {
		t.Errorf("role: %v", got)
	}
	if diff := cmp.Diff(output(), section(t, at(t, objects[4], "data", "application-log.conf"), "OUTPUT", "Name")); diff != "" {
		t.Errorf("application output (-want +got):\n%s", diff)
	}
	pod := at(t, objects[5], "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	got := map[string]any{
		"account": at(t, pod, "serviceAccountName"), "network": at(t, pod, "hostNetwork"), "image": at(t, container, "image"),
		"context": at(t, container, "securityContext"), "name": at(t, container, "env", 0, "valueFrom", "fieldRef", "fieldPath"),
	}
	pods := map[string]any{"account": "fluent-bit", "network": true, "image": image, "context": nil, "name": "spec.nodeName"}
	if diff := cmp.Diff(pods, got); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
}

// Bottlerocket restricts host mounts by SELinux (aws-traps.md, row 5.19).
func TestBottlerocket(t *testing.T) {
	objects := manifests(t, state(environment.NodeTypeManaged, "BOTTLEROCKET_ARM_64"))
	want := map[string]any{"user": "system_u", "role": "system_r", "type": "super_t", "level": "s0"}
	got := at(t, objects[5], "spec", "template", "spec", "containers", 0, "securityContext", "seLinuxOptions")
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigurationIsItsHash(t *testing.T) {
	hash := func(s environment.State) any {
		return at(t, manifests(t, s)[5], "spec", "template", "metadata", "annotations", "harmonix/configuration")
	}
	one := state(environment.NodeTypeManaged, "AL2023_x86_64_STANDARD")
	other := one
	other.Names.LogGroup = "/aws/apps/opa-prod"
	first, again := hash(one), hash(one)
	if first == "" || first != again {
		t.Errorf("the hash of one configuration is %v and %v", first, again)
	}
	if first == hash(other) {
		t.Error("a changed configuration makes no new pods")
	}
}
