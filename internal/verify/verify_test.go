package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

var _ cluster = (*client.Client)(nil)

// fakeCluster has objects by kind and namespace, and Deployments by name. A pod that is made gets the
// status that the cluster has for it.
type fakeCluster struct {
	objects     map[string]string
	deployments map[string]bool
	// status is the new pod's and anything else's that is a pod.
	status    string
	createErr error
	deleteErr error
	err       error
	// pod is the probe as it is, nil for none.
	pod     client.Object
	written []string
}

func (c *fakeCluster) List(_ context.Context, kind, namespace string, _ client.Fields) ([]client.Object, error) {
	text, ok := c.objects[kind+" "+namespace]
	if !ok {
		return nil, c.err
	}
	var objects []client.Object
	err := json.Unmarshal([]byte(text), &objects)
	return objects, err
}

func (c *fakeCluster) Deployment(_ context.Context, namespace, name string) (client.Deployment, bool, error) {
	ready, ok := c.deployments[name]
	var d client.Deployment
	err := json.Unmarshal([]byte(`{"spec":{"template":{"spec":{"containers":[{"image":"coredns:1"}]}}}}`), &d)
	d.Metadata.Namespace, d.Metadata.Name = namespace, name
	if ready {
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 1, 1
	}
	return d, ok, errors.Join(c.err, err)
}

func (c *fakeCluster) Pod(context.Context, string, string) (client.Pod, bool, error) {
	if c.pod == nil {
		return client.Pod{}, false, c.err
	}
	p, err := client.Decode[client.Pod](c.pod)
	return p, true, err
}

func (c *fakeCluster) Create(_ context.Context, object client.Object) ([]client.Change, error) {
	c.written = append(c.written, "create")
	if c.createErr != nil {
		return nil, c.createErr
	}
	c.pod = client.Object{}
	if err := json.Unmarshal([]byte(c.status), &c.pod); err != nil {
		return nil, err
	}
	metadata, _ := object["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	more, _ := c.pod["metadata"].(map[string]any)
	maps.Copy(metadata, more)
	metadata["creationTimestamp"] = time.Now().Truncate(time.Second)
	c.pod["metadata"], c.pod["spec"] = metadata, map[string]any{"nodeName": "fargate-probe"}
	return nil, nil
}

func (c *fakeCluster) Delete(context.Context, client.Object) error {
	c.written, c.pod = append(c.written, "delete"), nil
	return c.deleteErr
}

func nodeText(name, ready string) string {
	return `{"metadata":{"name":"` + name + `"},"status":{"nodeInfo":{"kubeletVersion":"v1.36.0"},
		"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"` + ready + `"}]}}`
}

// output is a configuration of Fluent Bit with an output to this template of a log group.
func output(template string) string {
	return "[FILTER]\n    Name kubernetes\n[OUTPUT]\n    Name cloudwatch_logs\n    Match kube.*\n    log_group_template " + template + "\n[OUTPUT]\n    Name stdout\n"
}

func configMap(name, key, value string) string {
	text, err := json.Marshal([]any{
		map[string]any{"metadata": map[string]any{"name": "kube-root-ca.crt"}},
		map[string]any{"metadata": map[string]any{"name": name}, "data": map[string]any{key: value}},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

const group = "/aws/apps/opa-dev/$kubernetes['namespace_name']"

// healthy is a cluster of which nothing is amiss, with changes; an empty text is an absent kind.
func healthy(changes map[string]string) *fakeCluster {
	objects := map[string]string{
		"configmaps aws-observability": configMap("aws-logging", "output.conf", output(group)),
		"configmaps amazon-cloudwatch": configMap("fluent-bit-config", "application-log.conf", output(group)),
		"daemonsets amazon-cloudwatch": `[{"metadata":{"name":"fluent-bit"}}]`,
		"configmaps kube-system": configMap("aws-auth", "mapRoles",
			`[{"rolearn":"arn:provisioning","username":"arn:provisioning","groups":["system:masters"]},{"rolearn":"arn:admin","username":"arn:admin","groups":[]}]`),
		"clusterrolebindings default": `[{"metadata":{"name":"opa-cluster-admin"},"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"arn:admin"}]}]`,
	}
	maps.Copy(objects, changes)
	return &fakeCluster{objects: objects, deployments: map[string]bool{"coredns": true, "aws-load-balancer-controller": true}}
}

func input(nodeType string, minimum int) stage.Input {
	return stage.Input{Entered: time.Now(), State: environment.State{
		Request:  environment.Request{NodeType: nodeType, NodeGroupMinSize: minimum},
		Names:    environment.Names{LogGroup: "/aws/apps/opa-dev", ProviderStack: "EKS-ENV-opa-dev-Stack"},
		Identity: &environment.Identity{ProvisioningRoleARN: "arn:provisioning", OperationsRoleARN: "arn:operations", ClusterAdminRoleARN: "arn:admin"},
	}}
}

// found lists findings as code and sentence, and checks that each says what to do.
func found(t *testing.T, v *environment.Verification) []string {
	t.Helper()
	findings := []string{}
	for _, f := range v.Findings {
		findings = append(findings, f.Code+": "+f.Found)
		if f.Next == "" {
			t.Errorf("%s says not what to do", f.Code)
		}
	}
	return findings
}

func TestLook(t *testing.T) {
	without := healthy(nil)
	without.deployments = map[string]bool{"coredns": false}
	cases := map[string]struct {
		reason   string
		nodeType string
		minimum  int
		cluster  *fakeCluster
		nodes    []environment.NodeResult
		findings []string
	}{
		"Fargate": {
			"each pod is a node", environment.NodeTypeFargate, 0,
			healthy(map[string]string{"nodes default": "[" + nodeText("fargate-1", "True") + "]"}),
			[]environment.NodeResult{{Name: "fargate-1", Version: "v1.36.0", Ready: true}}, []string{},
		},
		"Managed": {
			"all is well", environment.NodeTypeManaged, 1,
			healthy(map[string]string{"nodes default": "[" + nodeText("n-1", "True") + "]"}),
			[]environment.NodeResult{{Name: "n-1", Version: "v1.36.0", Ready: true}}, []string{},
		},
		"Nodes": {
			"one is not ready, and so there are too few; one without the condition is not ready", environment.NodeTypeManaged, 3,
			healthy(map[string]string{"nodes default": "[" + nodeText("n-1", "True") + "," + nodeText("n-2", "Unknown") + `,{"metadata":{"name":"n-3"}}]`}),
			[]environment.NodeResult{{Name: "n-2", Version: "v1.36.0"}, {Name: "n-3"}, {Name: "n-1", Version: "v1.36.0", Ready: true}},
			[]string{"NodeNotReady: node n-2 is not ready", "NodeNotReady: node n-3 is not ready", "TooFewNodes: 1 of at least 3 nodes are ready"},
		},
		"Deployments": {
			"one is missing, one is not ready", environment.NodeTypeFargate, 0, without,
			[]environment.NodeResult{},
			[]string{
				"DeploymentNotReady: Deployment kube-system/coredns: 0 of 0 replicas updated, 0 available",
				"DeploymentMissing: Deployment kube-system/aws-load-balancer-controller does not exist",
			},
		},
		"Logging": {
			"the other capacity's configuration does not count", environment.NodeTypeFargate, 0, healthy(map[string]string{"configmaps aws-observability": "[]"}),
			[]environment.NodeResult{},
			[]string{"LoggingMissing: ConfigMap aws-observability/aws-logging does not exist, so no pod logs to /aws/apps/opa-dev"},
		},
		"Daemons": {
			"a configuration that nothing reads", environment.NodeTypeManaged, 0, healthy(map[string]string{"daemonsets amazon-cloudwatch": "[]"}),
			[]environment.NodeResult{},
			[]string{"LoggingMissing: DaemonSet amazon-cloudwatch/fluent-bit does not exist, so no pod logs"},
		},
		"Route": {
			"Harmonix reads one group per namespace (contract, 3.4)", environment.NodeTypeManaged, 0,
			healthy(map[string]string{"configmaps amazon-cloudwatch": configMap("fluent-bit-config", "application-log.conf", output("/aws/apps/opa-dev"))}),
			[]environment.NodeResult{},
			[]string{"LoggingElsewhere: application-log.conf of ConfigMap amazon-cloudwatch/fluent-bit-config does not send the pods' logs to /aws/apps/opa-dev/{namespace}, where Harmonix looks for them"},
		},
		"RouteOfHost": {
			"an output that takes other lines is none for pods", environment.NodeTypeFargate, 0,
			healthy(map[string]string{"configmaps aws-observability": configMap("aws-logging", "output.conf", "[OUTPUT]\nName cloudwatch_logs\nMatch host.*\nlog_group_template "+group)}),
			[]environment.NodeResult{},
			[]string{"LoggingElsewhere: output.conf of ConfigMap aws-observability/aws-logging does not send the pods' logs to /aws/apps/opa-dev/{namespace}, where Harmonix looks for them"},
		},
		"Roles": {
			"the provisioning role needs its group, and the administrator an entry (contract, 3.6); the operations role needs none", environment.NodeTypeFargate, 0,
			healthy(map[string]string{"configmaps kube-system": configMap("aws-auth", "mapRoles", `[{"rolearn":"arn:provisioning","username":"arn:provisioning","groups":[]}]`)}),
			[]environment.NodeResult{},
			[]string{
				"RoleNotMapped: role arn:provisioning does not have its entry in ConfigMap kube-system/aws-auth",
				"RoleNotMapped: role arn:admin does not have its entry in ConfigMap kube-system/aws-auth",
			},
		},
		"NoBinding": {
			"the administrator's rights come from a binding (contract, 3.5)", environment.NodeTypeFargate, 0, healthy(map[string]string{"clusterrolebindings default": "[]"}),
			[]environment.NodeResult{},
			[]string{"AdminNotBound: ClusterRoleBinding opa-cluster-admin does not make role arn:admin a cluster-admin"},
		},
		"OtherBinding": {
			"to somebody else", environment.NodeTypeFargate, 0,
			healthy(map[string]string{"clusterrolebindings default": `[{"metadata":{"name":"opa-cluster-admin"},"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"arn:old"}]}]`}),
			[]environment.NodeResult{},
			[]string{"AdminNotBound: ClusterRoleBinding opa-cluster-admin does not make role arn:admin a cluster-admin"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := look(t.Context(), tc.cluster, input(tc.nodeType, tc.minimum), false)
			if err != nil {
				t.Fatal(err)
			}
			if got.Change != environment.Unchanged {
				t.Errorf("%s: change %s", tc.reason, got.Change)
			}
			if diff := cmp.Diff(tc.nodes, got.Nodes); diff != "" {
				t.Errorf("%s: nodes (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.findings, found(t, got)); diff != "" {
				t.Errorf("%s: findings (-want +got):\n%s", tc.reason, diff)
			}
			if tc.cluster.written != nil {
				t.Errorf("%s: a look writes: %v", tc.reason, tc.cluster.written)
			}
		})
	}
}

// An environment can be larger than a look at it: it exists, and Harmonix is to know of it.
func TestLookAtTooMuch(t *testing.T) {
	tooLarge := fault.New(fault.InvalidRequest, "list nodes: they have more than 24 MiB")
	tooLarge.Err = client.ErrTooLarge
	for _, probing := range []bool{false, true} {
		v, err := look(t.Context(), &fakeCluster{err: tooLarge}, stage.Input{}, probing)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(found(t, v), "\n"); !strings.Contains(text, "NotLooked: ") || !strings.Contains(text, "more than 24 MiB") {
			t.Errorf("findings: %s", text)
		}
	}
}

// On Fargate every pod is a node: thousands must not fill the state document (aws-traps.md, row 3.5), and the
// ones that are not ready are those to look at.
func TestNodesAreCut(t *testing.T) {
	all := []string{}
	for i := range 3000 {
		all = append(all, nodeText(fmt.Sprint("n-", i), "True"))
	}
	all = append(all, nodeText("sick", "False"))
	v, err := look(t.Context(), healthy(map[string]string{"nodes default": "[" + strings.Join(all, ",") + "]"}), input(environment.NodeTypeFargate, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Nodes) != 200 || v.MoreNodes != 2801 || v.Nodes[0].Name != "sick" {
		t.Errorf("%d nodes and %d more, the first is %s", len(v.Nodes), v.MoreNodes, v.Nodes[0].Name)
	}
}

// A thousand nodes that are not ready must not fill the state document (aws-traps.md, row 3.5).
func TestFewNodesAreNamed(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, nodeText(fmt.Sprint("n-", i), "False"))
	}
	v, err := look(t.Context(), healthy(map[string]string{"nodes default": "[" + strings.Join(all, ",") + "]"}), input(environment.NodeTypeManaged, 1), false)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(v); err != nil || len(text) > 100_000 {
		t.Errorf("the section has %d bytes (%v)", len(text), err)
	}
	want := []string{"NodeNotReady: 990 more nodes are not ready", "TooFewNodes: 0 of at least 1 nodes are ready"}
	if diff := cmp.Diff(want, found(t, v)[10:]); diff != "" {
		t.Errorf("findings after ten (-want +got):\n%s", diff)
	}
}

func TestLookNeedsAnswers(t *testing.T) {
	for _, probing := range []bool{false, true} {
		_, err := look(t.Context(), &fakeCluster{err: fault.New(fault.Transient, "m")}, stage.Input{}, probing)
		if fault.CodeOf(err) != fault.Transient {
			t.Errorf("a cluster that does not answer: %v", err)
		}
	}
}
