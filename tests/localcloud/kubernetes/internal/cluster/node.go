package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/version"
)

// interval at which the API server is asked again while the cluster starts.
const interval = 50 * time.Millisecond

// node returns the n-th simulated node, counted from 1. Name and labels follow what EC2 and the EKS
// node bootstrap give a node in us-east-1; its status is what a kubelet would report.
func node(n int) *corev1.Node {
	name := fmt.Sprintf("ip-10-0-0-%d.ec2.internal", n)
	zone := []string{"us-east-1a", "us-east-1b", "us-east-1c"}[(n-1)%3]
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:           name,
				corev1.LabelOSStable:           "linux",
				corev1.LabelArchStable:         "amd64",
				corev1.LabelTopologyRegion:     "us-east-1",
				corev1.LabelTopologyZone:       zone,
				corev1.LabelInstanceTypeStable: "m5.2xlarge",
			},
		},
		Spec: corev1.NodeSpec{ProviderID: fmt.Sprintf("aws:///%s/i-%017x", zone, n)},
		Status: corev1.NodeStatus{
			Capacity:    resources,
			Allocatable: resources,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.0.0.%d", n)},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture:    "amd64",
				OperatingSystem: "linux",
				KubeletVersion:  version.Get().GitVersion,
			},
		},
	}
}

// registerNodes creates the nodes and waits until pods can be scheduled on them. A node that exists
// already, from an earlier run, stays as it is.
func registerNodes(ctx context.Context, client kubernetes.Interface, count int) ([]string, error) {
	names := make([]string, 0, count)
	for n := 1; n <= count; n++ {
		wanted := node(n)
		_, err := client.CoreV1().Nodes().Create(ctx, wanted, metav1.CreateOptions{FieldManager: "local-cloud"})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("register node %s: %w", wanted.Name, err)
		}
		names = append(names, wanted.Name)
	}
	for _, name := range names {
		err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
			n, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			return err == nil && schedulable(n), nil
		})
		if err != nil {
			return nil, fmt.Errorf("wait for node %s: %w", name, err)
		}
	}
	return names, nil
}

// schedulable tells whether the node is Ready and the controller manager has taken the taint off
// that every new node carries.
func schedulable(n *corev1.Node) bool {
	if len(n.Spec.Taints) > 0 {
		return false
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
