package teardown

import (
	"testing"
)

// The tags are those of kubectl-protocol.md, section 4.9.
func TestOfCluster(t *testing.T) {
	cases := map[string]struct {
		reason string
		tags   map[string]string
		want   bool
	}{
		"Controller":   {"the load balancer controller's", map[string]string{"elbv2.k8s.aws/cluster": "opa-dev-cluster"}, true},
		"InTree":       {"Kubernetes' own controllers'", map[string]string{"kubernetes.io/cluster/opa-dev-cluster": "owned"}, true},
		"CNI":          {"the VPC CNI's", map[string]string{"cluster.k8s.amazonaws.com/name": "opa-dev-cluster"}, true},
		"EKS":          {"the group of the cluster itself", map[string]string{"aws:eks:cluster-name": "opa-dev-cluster"}, true},
		"Shared":       {"what a cluster merely uses is not its", map[string]string{"kubernetes.io/cluster/opa-dev-cluster": "shared"}, false},
		"OtherCluster": {"another's", map[string]string{"elbv2.k8s.aws/cluster": "opa-dev2-cluster", "kubernetes.io/cluster/opa-dev2-cluster": "owned"}, false},
		"Untagged":     {"somebody's", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ofCluster("opa-dev-cluster", tc.tags); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
}
