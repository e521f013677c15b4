package access

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

var (
	_ cluster          = (*client.Client)(nil)
	_ target.Connector = (*account.Connector)(nil)
)

func state(node, pods string) environment.State {
	return environment.State{Identity: &environment.Identity{
		ProvisioningRoleARN: "arn:aws:iam::222222222222:role/opa-dev-provisioning", ClusterAdminRoleARN: "arn:aws:iam::222222222222:role/opa-dev-admin",
		NodeRoleARN: node, PodExecutionRoleARN: pods,
	}}
}

// fakeCluster has config maps, and takes what is applied.
type fakeCluster struct {
	maps    []client.Object
	applied []client.Object
	created []client.Object
	listErr error
	// createErr answers Create.
	createErr error
}

func (c *fakeCluster) List(context.Context, string, string, client.Fields) ([]client.Object, error) {
	return c.maps, c.listErr
}

func (c *fakeCluster) Apply(_ context.Context, objects ...client.Object) ([]client.Change, error) {
	c.applied = append(c.applied, objects...)
	return nil, nil
}

func (c *fakeCluster) Create(_ context.Context, object client.Object) ([]client.Change, error) {
	c.created = append(c.created, object)
	return nil, c.createErr
}

// plain is the value as JSON has it.
func plain(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// Transcribed from harmonix-contract.md, section 3.5.
func TestRBAC(t *testing.T) {
	want := decoded(t, `[
		{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "opa-cluster-admin"},
		 "subjects": [{"kind": "User", "name": "arn:admin", "apiGroup": "rbac.authorization.k8s.io"}],
		 "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}},
		{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "opa-namespace-viewer"},
		 "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}]}
	]`)
	if diff := cmp.Diff(want, plain(t, RBAC("arn:admin"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Entries and their order are those of harmonix-contract.md, section 3.6. aws-auth matches no role
// with a path (aws-traps.md, row 1.40); the user name is the ARN as it is.
func TestRoles(t *testing.T) {
	const provisioning = `{"rolearn": "arn:aws:iam::222222222222:role/opa-dev-provisioning", "username": "arn:aws:iam::222222222222:role/opa-dev-provisioning", "groups": ["system:masters"]}`
	const admin = `{"rolearn": "arn:aws:iam::222222222222:role/opa-dev-admin", "username": "arn:aws:iam::222222222222:role/opa-dev-admin", "groups": []}`
	supplied := state("", "arn:pods")
	supplied.Identity.ClusterAdminRoleARN = "arn:aws:iam::222222222222:role/team/boss"
	cases := map[string]struct {
		reason string
		state  environment.State
		want   string
	}{
		"Fargate": {"pods have the role", state("", "arn:pods"), `[` + provisioning +
			`,{"rolearn": "arn:pods", "username": "system:node:{{SessionName}}", "groups": ["system:bootstrappers", "system:nodes", "system:node-proxier"]},` + admin + `]`},
		"Managed": {"nodes have the role", state("arn:nodes", ""), `[` + provisioning +
			`,{"rolearn": "arn:nodes", "username": "system:node:{{EC2PrivateDNSName}}", "groups": ["system:bootstrappers", "system:nodes"]},` + admin + `]`},
		"Path": {"a supplied role may have a path", supplied, `[` + provisioning +
			`,{"rolearn": "arn:pods", "username": "system:node:{{SessionName}}", "groups": ["system:bootstrappers", "system:nodes", "system:node-proxier"]}` +
			`,{"rolearn": "arn:aws:iam::222222222222:role/boss", "username": "arn:aws:iam::222222222222:role/team/boss", "groups": []}]`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []any
			for _, r := range Roles(tc.state) {
				entry := map[string]any{"rolearn": r.ARN, "username": r.Username, "groups": []any{}}
				for _, g := range r.Groups {
					entry["groups"] = append(entry["groups"].([]any), g)
				}
				got = append(got, entry)
			}
			if diff := cmp.Diff(decoded(t, tc.want), any(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConverge(t *testing.T) {
	const (
		provisioning = `{"groups":["system:masters"],"rolearn":"arn:aws:iam::222222222222:role/opa-dev-provisioning","username":"arn:aws:iam::222222222222:role/opa-dev-provisioning"}`
		pods         = `{"groups":["system:bootstrappers","system:nodes","system:node-proxier"],"rolearn":"arn:pods","username":"system:node:{{SessionName}}"}`
		admin        = `{"groups":[],"rolearn":"arn:aws:iam::222222222222:role/opa-dev-admin","username":"arn:aws:iam::222222222222:role/opa-dev-admin"}`
		application  = `{"groups":[],"rolearn":"arn:app","username":"arn:app"}`
	)
	awsAuth := func(mapRoles, more string) client.Object {
		quoted, err := json.Marshal(mapRoles)
		if err != nil {
			t.Fatal(err)
		}
		object, _ := decoded(t, `{"metadata": {"name": "aws-auth", "namespace": "kube-system", "resourceVersion": "42", "uid": "u", "managedFields": []}, "data": {"mapRoles": `+string(quoted)+more+`}}`).(map[string]any)
		return object
	}
	other, _ := decoded(t, `{"metadata": {"name": "coredns", "resourceVersion": "7"}, "data": {"mapRoles": "not ours"}}`).(map[string]any)
	cases := map[string]struct {
		reason string
		maps   []client.Object
		// data is what is applied, without metadata; empty for nothing. version is the resourceVersion.
		mapRoles, mapUsers, version string
		code                        fault.Code
	}{
		"New": {
			reason: "nobody has written it yet", maps: []client.Object{other},
			mapRoles: "[" + provisioning + "," + pods + "," + admin + "]", mapUsers: "[]",
		},
		"Merged": {
			reason:   "an application's entry stays, and a write in between is a conflict",
			maps:     []client.Object{other, awsAuth("["+application+"]", `, "mapUsers": "kept"`)},
			mapRoles: "[" + application + "," + provisioning + "," + pods + "," + admin + "]", mapUsers: "kept", version: "42",
		},
		"ByEKS": {
			reason:   "EKS writes YAML; it becomes JSON, to which Harmonix' pipelines can append",
			maps:     []client.Object{awsAuth("- rolearn: arn:pods\n  username: system:node:{{SessionName}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n  - system:node-proxier\n", "")},
			mapRoles: "[" + pods + "," + provisioning + "," + admin + "]", version: "42",
		},
		"There": {
			reason: "a ConfigMap that has every entry is not written",
			maps:   []client.Object{awsAuth("["+provisioning+","+pods+","+admin+","+application+"]", "")},
		},
		"Broken": {
			reason: "what cannot be read is not overwritten", maps: []client.Object{awsAuth("{", "")}, code: "Failed",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &fakeCluster{maps: tc.maps}
			_, err := converge(t.Context(), c, state("", "arn:pods"))
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if err != nil {
				if len(c.applied)+len(c.created) != 0 {
					t.Errorf("%s: applied %v", tc.reason, c.applied)
				}
				return
			}
			var got []string
			var auth client.Object
			if tc.version == "" && tc.mapRoles != "" && len(c.created) != 1 {
				t.Fatalf("%s: created %v", tc.reason, c.created)
			}
			for _, o := range append(c.applied, c.created...) {
				got = append(got, o["kind"].(string))
				if o["kind"] == "ConfigMap" {
					auth = o
				}
			}
			want := []string{"ClusterRoleBinding", "ClusterRole"}
			if tc.mapRoles != "" {
				want = append(want, "ConfigMap")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: applied (-want +got):\n%s", tc.reason, diff)
			}
			if tc.mapRoles == "" {
				return
			}
			metadata := map[string]any{"name": "aws-auth", "namespace": "kube-system"}
			if tc.version != "" {
				metadata["resourceVersion"] = tc.version
			}
			if diff := cmp.Diff(metadata, auth["metadata"]); diff != "" {
				t.Errorf("%s: metadata (-want +got):\n%s", tc.reason, diff)
			}
			data, _ := auth["data"].(map[string]any)
			if diff := cmp.Diff(decoded(t, tc.mapRoles), decoded(t, data["mapRoles"].(string))); diff != "" {
				t.Errorf("%s: mapRoles (-want +got):\n%s", tc.reason, diff)
			}
			if users, _ := data["mapUsers"].(string); users != tc.mapUsers {
				t.Errorf("%s: mapUsers %q, want %q", tc.reason, users, tc.mapUsers)
			}
		})
	}
}

func TestConvergeNeedsTheList(t *testing.T) {
	c := &fakeCluster{listErr: fault.New(fault.Transient, "m")}
	if _, err := converge(t.Context(), c, state("", "arn:pods")); fault.CodeOf(err) != "Transient" || len(c.applied) != 0 {
		t.Errorf("without knowing aws-auth: %v, applied %v", err, c.applied)
	}
}

// EKS writes aws-auth when a node group or a Fargate profile is made (aws-traps.md, row 5.7).
func TestConvergeLosesTheRaceForTheFirstWrite(t *testing.T) {
	c := &fakeCluster{createErr: fault.New(fault.Conflict, "it exists")}
	_, err := converge(t.Context(), c, state("", "arn:pods"))
	if got := fault.CodeOf(settle(err, time.Now())); got != fault.Transient {
		t.Errorf("somebody else was first: got %s (%v), want Transient", got, err)
	}
	for _, o := range c.applied {
		if o["kind"] == "ConfigMap" {
			t.Error("what somebody else wrote was overwritten")
		}
	}
}

func TestSettle(t *testing.T) {
	refused := fault.Wrap(fault.AccessDenied, client.ErrRefused, "m")
	cases := map[string]struct {
		reason string
		err    error
		ago    time.Duration
		want   fault.Code
	}{
		"Fresh":    {"an access entry takes up to 30 s to be known", refused, 30 * time.Second, "Transient"},
		"Almost":   {"two minutes are waited", refused, 110 * time.Second, "Transient"},
		"Settled":  {"after that a refusal is one", refused, 121 * time.Second, "AccessDenied"},
		"IAM":      {"a refusal by IAM or the function is none by the cluster", fault.New(fault.AccessDenied, "m"), 0, "AccessDenied"},
		"Conflict": {"somebody else wrote in between: read again", fault.New(fault.Conflict, "m"), time.Hour, "Transient"},
		"Other":    {"the rest stays what it is", fault.New(fault.Failed, "m"), 0, "Failed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := settle(tc.err, time.Now().Add(-tc.ago))
			if got := fault.CodeOf(err); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}
