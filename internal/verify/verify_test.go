package verify

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

var _ cluster = (*client.Client)(nil)

// fakeCluster has objects by kind and namespace, and Deployments by name.
type fakeCluster struct {
	objects     map[string]string
	deployments map[string]bool
	err         error
}

func (c fakeCluster) List(_ context.Context, kind, namespace string) ([]client.Object, error) {
	text, ok := c.objects[kind+" "+namespace]
	if !ok {
		return nil, c.err
	}
	var objects []client.Object
	err := json.Unmarshal([]byte(text), &objects)
	return objects, err
}

func (c fakeCluster) Deployment(_ context.Context, namespace, name string) (client.Deployment, bool, error) {
	ready, ok := c.deployments[name]
	var d client.Deployment
	d.Metadata.Namespace, d.Metadata.Name = namespace, name
	if ready {
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = 1, 1, 1
	}
	return d, ok, c.err
}

func nodeText(name, ready string) string {
	return `{"metadata":{"name":"` + name + `"},"status":{"nodeInfo":{"kubeletVersion":"v1.36.0"},
		"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"` + ready + `"}]}}`
}

func TestLook(t *testing.T) {
	both := map[string]bool{"coredns": true, "aws-load-balancer-controller": true}
	const (
		fargateLogs = `[{"metadata":{"name":"kube-root-ca.crt"}},{"metadata":{"name":"aws-logging"}}]`
		managedLogs = `[{"metadata":{"name":"fluent-bit-config"}}]`
	)
	cases := map[string]struct {
		reason   string
		nodeType string
		minimum  int
		cluster  fakeCluster
		nodes    []environment.NodeResult
		findings []string
	}{
		"Fargate": {
			"each pod is a node", environment.NodeTypeFargate, 0,
			fakeCluster{objects: map[string]string{"nodes default": "[" + nodeText("fargate-1", "True") + "]", "configmaps aws-observability": fargateLogs}, deployments: both},
			[]environment.NodeResult{{Name: "fargate-1", Version: "v1.36.0", Ready: true}}, []string{},
		},
		"Managed": {
			"all is well", environment.NodeTypeManaged, 1,
			fakeCluster{objects: map[string]string{"nodes default": "[" + nodeText("n-1", "True") + "]", "configmaps amazon-cloudwatch": managedLogs}, deployments: both},
			[]environment.NodeResult{{Name: "n-1", Version: "v1.36.0", Ready: true}}, []string{},
		},
		"Nodes": {
			"one is not ready, and so there are too few; one without the condition is not ready", environment.NodeTypeManaged, 3,
			fakeCluster{objects: map[string]string{"nodes default": "[" + nodeText("n-1", "True") + "," + nodeText("n-2", "Unknown") + `,{"metadata":{"name":"n-3"}}]`, "configmaps amazon-cloudwatch": managedLogs}, deployments: both},
			[]environment.NodeResult{{Name: "n-1", Version: "v1.36.0", Ready: true}, {Name: "n-2", Version: "v1.36.0"}, {Name: "n-3"}},
			[]string{"NodeNotReady: node n-2 is not ready", "NodeNotReady: node n-3 is not ready", "TooFewNodes: 1 of at least 3 nodes are ready"},
		},
		"Deployments": {
			"one is missing, one is not ready", environment.NodeTypeFargate, 0,
			fakeCluster{objects: map[string]string{"configmaps aws-observability": fargateLogs}, deployments: map[string]bool{"coredns": false}},
			[]environment.NodeResult{},
			[]string{
				"DeploymentNotReady: Deployment kube-system/coredns: 0 of 0 replicas updated, 0 available",
				"DeploymentMissing: Deployment kube-system/aws-load-balancer-controller does not exist",
			},
		},
		"Logging": {
			"the other capacity's configuration does not count", environment.NodeTypeFargate, 0,
			fakeCluster{objects: map[string]string{"configmaps amazon-cloudwatch": managedLogs}, deployments: both},
			[]environment.NodeResult{},
			[]string{"LoggingMissing: ConfigMap aws-observability/aws-logging does not exist, so no pod logs to /aws/apps/opa-dev"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := environment.State{
				Request: environment.Request{NodeType: tc.nodeType, NodeGroupMinSize: tc.minimum},
				Names:   environment.Names{LogGroup: "/aws/apps/opa-dev"},
			}
			got, err := look(t.Context(), tc.cluster, s)
			if err != nil {
				t.Fatal(err)
			}
			if got.Change != environment.Unchanged {
				t.Errorf("%s: change %s", tc.reason, got.Change)
			}
			if diff := cmp.Diff(tc.nodes, got.Nodes); diff != "" {
				t.Errorf("%s: nodes (-want +got):\n%s", tc.reason, diff)
			}
			findings := []string{}
			for _, f := range got.Findings {
				findings = append(findings, f.Code+": "+f.Found)
				if f.Next == "" {
					t.Errorf("%s: %s says not what to do", tc.reason, f.Code)
				}
			}
			if diff := cmp.Diff(tc.findings, findings); diff != "" {
				t.Errorf("%s: findings (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestLookNeedsAnswers(t *testing.T) {
	_, err := look(t.Context(), fakeCluster{err: fault.New(fault.Transient, "m")}, environment.State{})
	if fault.CodeOf(err) != fault.Transient {
		t.Errorf("a cluster that does not answer: %v", err)
	}
}
