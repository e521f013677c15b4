package templates_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/deletehook"
)

const hookARN = "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-DeleteHook"

// What CloudFormation and Lambda would do with another function, or another answer of it, is in
// aws-traps.md, section 2.
func TestDeleteHook(t *testing.T) {
	r := deploy(t, templates.DeleteHook, map[string]string{"StarterRoleArn": "arn:aws:iam::111111111111:role/starter"}).resources()
	f := r["Function"].Properties
	if f["FunctionName"] != "EKS-ENV-DeleteHook" || f["RecursiveLoop"] != "Allow" || f["Runtime"] != "provided.al2023" {
		t.Errorf("name, recursion or runtime: %v", f)
	}
	if _, ok := f["VpcConfig"]; ok {
		t.Error("in a VPC its answer would not arrive (row 2.6)")
	}
	if f["Environment"] != nil {
		t.Errorf("shortened by its environment: %v", f["Environment"])
	}
	settings := r["EventInvokeConfig"].Properties
	want := map[string]any{"FunctionName": "{Function}", "Qualifier": "$LATEST", "MaximumRetryAttempts": 2.0, "MaximumEventAgeInSeconds": 3600.0}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("invocations (-want +got):\n%s", diff)
	}
	timeout := time.Duration(f["Timeout"].(float64)) * time.Second
	if timeout > 15*time.Minute {
		t.Errorf("Lambda takes 15 minutes at most, got %s", timeout)
	}
	if whole := timeout * deletehook.Invocations; whole >= time.Hour {
		t.Errorf("%d invocations may last %s, CloudFormation waits for an hour (row 2.1)", deletehook.Invocations, whole)
	}
	// 20 s are the answer's, another 20 the hand-over's.
	if timeout < deletehook.Window+40*time.Second {
		t.Errorf("an invocation has %s, waits for %s and cannot hand over", timeout, deletehook.Window)
	}
	if waits := deletehook.Window * deletehook.Invocations; waits < 45*time.Minute {
		t.Errorf("gives up after %s", waits)
	}
}

func TestDeleteHookRole(t *testing.T) {
	found := roles(deploy(t, templates.DeleteHook, map[string]string{"StarterRoleArn": "arn:aws:iam::111111111111:role/starter"}))
	role := found["DeleteHookRole"]
	if name := role.Properties["RoleName"]; name != "EKS-ENV-DeleteHook-us-east-1" {
		t.Errorf("the starter role does not trust %v", name)
	}
	list, _ := inline(t, role)
	got := map[string][]string{}
	for _, s := range list {
		for _, action := range s.Action {
			got[action] = texts(s.Resource)
		}
	}
	stacks := []string{"arn:aws:cloudformation:us-east-1:222222222222:stack/EKS-ENV-*"}
	log := []string{"arn:aws:logs:us-east-1:222222222222:log-group:/aws/lambda/EKS-ENV-DeleteHook:*"}
	want := map[string][]string{
		"sts:AssumeRole":                {"arn:aws:iam::111111111111:role/starter"},
		"lambda:InvokeFunction":         {hookARN},
		"cloudformation:DescribeStacks": stacks, "cloudformation:DescribeStackEvents": stacks,
		"logs:CreateLogStream": log, "logs:PutLogEvents": log,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The service role makes the hook with its role, and calls it for the custom resource.
func TestServiceRoleAndDeleteHook(t *testing.T) {
	want := map[string]string{
		"iam:CreateRole": "arn:aws:iam::222222222222:role/EKS-ENV-DeleteHook-us-east-1", "iam:DeleteRole": "arn:aws:iam::222222222222:role/EKS-ENV-DeleteHook-us-east-1",
		"iam:PassRole":          "arn:aws:iam::222222222222:role/EKS-ENV-DeleteHook-us-east-1",
		"lambda:InvokeFunction": hookARN,
	}
	for action, resource := range want {
		if !slices.ContainsFunc(service(t), func(s statement) bool {
			return slices.Contains(s.Action, action) && slices.Contains(texts(s.Resource), resource)
		}) {
			t.Errorf("the service role may not %s on %s", action, resource)
		}
	}
}

// The custom resource goes first and comes last, and its ServiceToken names no version.
func TestProviderHasItsHook(t *testing.T) {
	values := map[string]string{
		"DeleteHookArn": hookARN, "StarterRoleArn": "arn:starter", "StateMachineArn": "arn:machine", "Request": "{}", "ExternalId": "x", "Revision": "1",
		"Prefix": "opa", "Name": "dev",
	}
	for _, nodeType := range []string{"FARGATE", "MANAGED"} {
		values["NodeType"] = nodeType
		for _, arn := range []string{"OperationsRoleArn", "ProvisioningRoleArn", "ControlPlaneRoleArn", "ClusterAdminRoleArn", "PodExecutionRoleArn"} {
			values[arn] = "arn:aws:iam::222222222222:role/a"
		}
		hook := deploy(t, templates.Provider, values).resources()["Environment"]
		want := map[string]any{
			"ServiceToken": hookARN, "StarterRoleArn": "arn:starter", "StateMachineArn": "arn:machine", "Request": "{}", "ExternalId": "x", "Revision": "1",
		}
		if diff := cmp.Diff(want, hook.Properties); diff != "" {
			t.Errorf("%s (-want +got):\n%s", nodeType, diff)
		}
	}
	var raw struct {
		Parameters map[string]struct{ NoEcho bool }
		Resources  map[string]struct {
			Type      string
			Condition string
			DependsOn []string
		}
	}
	if err := json.Unmarshal([]byte(templates.Provider), &raw); err != nil {
		t.Fatal(err)
	}
	if !raw.Parameters["ExternalId"].NoEcho {
		t.Error("whoever may describe the stack reads the external id")
	}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(raw.Resources)), func(id string) bool {
		return id == "Environment" || raw.Resources[id].Condition != ""
	})
	slices.Sort(raw.Resources["Environment"].DependsOn)
	if diff := cmp.Diff(others, raw.Resources["Environment"].DependsOn); diff != "" {
		t.Errorf("what is there when the hook is deleted (-want +got):\n%s", diff)
	}
	if strings.Contains(templates.Provider, "TerminationProtection") {
		t.Error("the stack is protected")
	}
}
