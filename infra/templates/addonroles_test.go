package templates_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
)

const issuer = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

// One service account of one cluster may assume each role. The condition's keys begin with the
// issuer, which is why the document is a text (aws-traps.md, row 1.46).
func TestServiceAccountTrust(t *testing.T) {
	provider := "arn:aws:iam::222222222222:oidc-provider/" + issuer
	cases := map[string]struct {
		reason string
		want   map[string]string
	}{
		"FARGATE": {
			reason: "pods on Fargate ship their logs with the pod execution role",
			want:   map[string]string{"LoadBalancerControllerRole": "system:serviceaccount:kube-system:aws-load-balancer-controller"},
		},
		"MANAGED": {
			reason: "nodes run Fluent Bit",
			want: map[string]string{
				"LoadBalancerControllerRole": "system:serviceaccount:kube-system:aws-load-balancer-controller",
				"FluentBitRole":              "system:serviceaccount:amazon-cloudwatch:fluent-bit",
			},
		},
	}
	for nodeType, tc := range cases {
		t.Run(nodeType, func(t *testing.T) {
			s := deploy(t, templates.AddonRoles, map[string]string{"NodeType": nodeType, "Issuer": issuer, "OidcProviderArn": provider})
			got := map[string]string{}
			for id, role := range roles(s) {
				var trust struct {
					Statement []struct {
						Effect, Action string
						Principal      map[string]string
						Condition      map[string]map[string]string
					}
				}
				text, _ := role.Properties["AssumeRolePolicyDocument"].(string)
				if err := json.Unmarshal([]byte(text), &trust); err != nil || len(trust.Statement) != 1 {
					t.Fatalf("%s: trust policy %s: %v", id, text, err)
				}
				only := trust.Statement[0]
				if only.Effect != "Allow" || only.Action != "sts:AssumeRoleWithWebIdentity" || only.Principal["Federated"] != provider {
					t.Errorf("%s: trust %+v", id, only)
				}
				equals := only.Condition["StringEquals"]
				if len(only.Condition) != 1 || len(equals) != 2 || equals[issuer+":aud"] != "sts.amazonaws.com" {
					t.Errorf("%s: conditions %v", id, only.Condition)
				}
				got[id] = equals[issuer+":sub"]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: who may assume what (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// The controller's policy has 80 actions since version 2.13.0 (kubectl-protocol.md, section 4.5).
func TestLoadBalancerControllerPolicy(t *testing.T) {
	role := deploy(t, templates.AddonRoles, map[string]string{"NodeType": "FARGATE"}).resources()["LoadBalancerControllerRole"]
	list, _ := inline(t, role)
	var actions []string
	for _, s := range list {
		actions = append(actions, s.Action...)
		for _, arn := range texts(s.Resource) {
			if arn != "*" && !strings.HasPrefix(arn, "arn:aws:") {
				t.Errorf("%s: resource %s", s.Sid, arn)
			}
		}
	}
	if got := len(list); got != 17 {
		t.Errorf("got %d statements, want 17: the sixteen, the second of them in two", got)
	}
	slices.Sort(actions)
	if actions = slices.Compact(actions); len(actions) != 80 {
		t.Errorf("got %d actions, want 80:\n%s", len(actions), strings.Join(actions, "\n"))
	}
	null := func(request, resource string) map[string]map[string]any {
		keys := map[string]any{}
		if request != "" {
			keys["aws:RequestTag/elbv2.k8s.aws/cluster"] = request
		}
		if resource != "" {
			keys["aws:ResourceTag/elbv2.k8s.aws/cluster"] = resource
		}
		return map[string]map[string]any{"Null": keys}
	}
	conditions := map[string]map[string]map[string]any{
		"ec2:DeleteSecurityGroup":                 null("", "false"),
		"ec2:DeleteTags":                          null("true", "false"),
		"elasticloadbalancing:CreateLoadBalancer": null("false", ""),
		"elasticloadbalancing:DeleteLoadBalancer": null("", "false"),
		"elasticloadbalancing:RegisterTargets":    nil,
		"iam:CreateServiceLinkedRole":             {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
	}
	for action, want := range conditions {
		for _, s := range list {
			if slices.Contains(s.Action, action) {
				if diff := cmp.Diff(want, s.Condition); diff != "" {
					t.Errorf("condition of %s (-want +got):\n%s", action, diff)
				}
			}
		}
	}
}

// Fluent Bit writes the groups that the Logs tab reads (harmonix-contract.md, section 3.3), and no other environment's.
func TestFluentBitPolicy(t *testing.T) {
	role := deploy(t, templates.AddonRoles, map[string]string{"NodeType": "MANAGED", "Prefix": "opa", "Name": "dev"}).resources()["FluentBitRole"]
	if got := role.Properties["RoleName"]; got != "opa-dev-cluster-fluent-bit-sa-role" {
		t.Errorf("the contract's name is opa-dev-cluster-fluent-bit-sa-role, got %v", got)
	}
	list, _ := inline(t, role)
	group := "arn:aws:logs:us-east-1:222222222222:log-group:"
	want := []string{
		group + "/aws/apps/opa-dev", group + "/aws/apps/opa-dev:*", group + "/aws/apps/opa-dev/*",
		group + "/aws/containerinsights/opa-dev-cluster/*",
	}
	for _, s := range list {
		if diff := cmp.Diff(want, texts(s.Resource)); diff != "" {
			t.Errorf("%s: log groups (-want +got):\n%s", s.Sid, diff)
		}
	}
}
