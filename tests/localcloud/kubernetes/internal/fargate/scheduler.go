package fargate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/component-base/version"
)

const (
	workers      = 4
	interval     = 20 * time.Millisecond
	readySeconds = 30 * time.Second
	nodePrefix   = "fargate-"
)

// Scheduler gives every pod of Fargate a node of its own and removes the node with the pod.
type Scheduler struct {
	client kubernetes.Interface
	file   File
	region string
	events record.EventRecorder
	pods   cache.SharedIndexInformer
	queue  workqueue.TypedRateLimitingInterface[string]
}

// NewScheduler returns a scheduler that watches pods by the informer, which the caller starts.
func NewScheduler(client kubernetes.Interface, file File, region string, events record.EventRecorder, pods cache.SharedIndexInformer) (*Scheduler, error) {
	s := &Scheduler{
		client: client, file: file, region: region, events: events, pods: pods,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    s.seen,
		UpdateFunc: func(_, pod any) { s.seen(pod) },
		DeleteFunc: s.gone,
	})
	if err != nil {
		return nil, fmt.Errorf("watch pods: %w", err)
	}
	return s, nil
}

// Run works until ctx ends.
func (s *Scheduler) Run(ctx context.Context) {
	for range workers {
		go wait.UntilWithContext(ctx, s.work, time.Second)
	}
	<-ctx.Done()
	s.queue.ShutDown()
}

func (s *Scheduler) seen(object any) {
	pod, ok := object.(*corev1.Pod)
	if ok && pod.Spec.SchedulerName == SchedulerName && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
		s.queue.Add(pod.Namespace + "/" + pod.Name)
	}
}

func (s *Scheduler) gone(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	// A node has no slash in its name, a pod's key has one.
	if pod, ok := object.(*corev1.Pod); ok && strings.HasPrefix(pod.Spec.NodeName, nodePrefix) {
		s.queue.Add(pod.Spec.NodeName)
	}
}

func (s *Scheduler) work(ctx context.Context) {
	for {
		key, shutdown := s.queue.Get()
		if shutdown {
			return
		}
		if err := s.handle(ctx, key); err != nil {
			slog.ErrorContext(ctx, "schedule on Fargate", "key", key, "error", err)
			s.queue.AddRateLimited(key)
		} else {
			s.queue.Forget(key)
		}
		s.queue.Done(key)
	}
}

func (s *Scheduler) handle(ctx context.Context, key string) error {
	if !strings.Contains(key, "/") {
		err := s.client.CoreV1().Nodes().Delete(ctx, key, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete node: %w", err)
		}
		return nil
	}
	object, exists, err := s.pods.GetStore().GetByKey(key)
	if err != nil || !exists {
		return err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return nil
	}
	return s.schedule(ctx, pod)
}

func (s *Scheduler) schedule(ctx context.Context, pod *corev1.Pod) error {
	if reasons := unsupported(pod); len(reasons) > 0 {
		s.events.Eventf(pod, corev1.EventTypeWarning, "FailedScheduling", "Pod not supported on Fargate: %s", strings.Join(reasons, "; "))
		return nil
	}
	profiles, err := s.file.Profiles()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(profiles, func(p Profile) bool { return p.Name == pod.Labels[ProfileLabel] })
	if i < 0 {
		s.events.Event(pod, corev1.EventTypeWarning, "FailedScheduling", "Misconfigured Fargate Profile: fargate profile "+pod.Labels[ProfileLabel]+" does not exist")
		return nil
	}
	s.announce(pod)
	node, err := s.register(ctx, profiles[i])
	if err != nil {
		return err
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}
	if err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		cleaned := s.client.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // deleted or bound meanwhile
			return cleaned
		}
		return errors.Join(fmt.Errorf("bind pod: %w", err), cleaned)
	}
	s.events.Eventf(pod, corev1.EventTypeNormal, "Scheduled", "Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, node)
	return nil
}

// announce tells what the annotation of the admission means.
func (s *Scheduler) announce(pod *corev1.Pod) {
	if pod.Annotations[loggingAnnotation] == loggingEnabled {
		s.events.Event(pod, corev1.EventTypeNormal, "LoggingEnabled", "Successfully enabled logging for pod")
		return
	}
	s.events.Eventf(pod, corev1.EventTypeWarning, "LoggingDisabled", "Disabled logging because %s configmap was not found", loggingConfigMap)
}

// register makes a node and waits until it is Ready.
func (s *Scheduler) register(ctx context.Context, profile Profile) (string, error) {
	for {
		node, err := s.node(profile)
		if err != nil {
			return "", err
		}
		_, err = s.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{FieldManager: "eks"})
		if apierrors.IsAlreadyExists(err) {
			continue // another pod's address
		}
		if err != nil {
			return "", fmt.Errorf("register node: %w", err)
		}
		err = wait.PollUntilContextTimeout(ctx, interval, readySeconds, true, func(ctx context.Context) (bool, error) {
			n, err := s.client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
			return err == nil && ready(n), nil
		})
		if err != nil {
			return "", fmt.Errorf("wait for node %s: %w", node.Name, err)
		}
		return node.Name, nil
	}
}

func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// node is what Fargate registers: one micro virtual machine, tainted so that nothing else lands there.
func (s *Scheduler) node(profile Profile) (*corev1.Node, error) {
	subnet := Subnet{CIDR: "10.0.0.0/16", Zone: s.region + "a"}
	if len(profile.Subnets) > 0 {
		subnet = profile.Subnets[rand.IntN(len(profile.Subnets))] //nolint:gosec // not a secret
	}
	address, err := pick(subnet.CIDR)
	if err != nil {
		return nil, err
	}
	host := "ip-" + strings.ReplaceAll(address, ".", "-") + "." + s.domain()
	resources := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("1"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodePrefix + host,
			Labels: map[string]string{
				ComputeType:                "fargate",
				corev1.LabelHostname:       host,
				corev1.LabelOSStable:       "linux",
				corev1.LabelArchStable:     "amd64",
				corev1.LabelTopologyRegion: s.region,
				corev1.LabelTopologyZone:   subnet.Zone,
			},
		},
		Spec: corev1.NodeSpec{
			ProviderID: fmt.Sprintf("aws:///%s/%016x/%s%s", subnet.Zone, rand.Uint64(), nodePrefix, host), //nolint:gosec // not a secret
			Taints:     []corev1.Taint{{Key: ComputeType, Value: "fargate", Effect: corev1.TaintEffectNoSchedule}},
		},
		Status: corev1.NodeStatus{
			Capacity:    resources,
			Allocatable: resources,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: address},
				{Type: corev1.NodeInternalDNS, Address: host},
				{Type: corev1.NodeHostName, Address: host},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture: "amd64", OperatingSystem: "linux", OSImage: "Amazon Linux 2023", KubeletVersion: version.Get().GitVersion,
			},
		},
	}, nil
}

// domain is that of EC2's private names in the region.
func (s *Scheduler) domain() string {
	if s.region == "us-east-1" {
		return "ec2.internal"
	}
	return s.region + ".compute.internal"
}

// pick returns an address of the range; the first four and the last are AWS' own.
func pick(cidr string) (string, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 28 {
		return "", fmt.Errorf("%q is not the range of a subnet", cidr)
	}
	size := uint32(1) << (32 - prefix.Bits())
	base := prefix.Masked().Addr().As4()
	n := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	n += 4 + rand.Uint32N(size-5) //nolint:gosec // not a secret
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String(), nil
}

// unsupported tells what Fargate cannot run:
// https://docs.aws.amazon.com/eks/latest/userguide/fargate.html#fargate-considerations
func unsupported(pod *corev1.Pod) []string {
	var fields, volumes, reasons []string
	if pod.Spec.HostNetwork {
		fields = append(fields, "HostNetwork")
	}
	for _, c := range pod.Spec.Containers {
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 }) {
			fields = append(fields, "HostPort")
		}
		if c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged {
			reasons = append(reasons, "invalid SecurityContext fields: Privileged")
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil {
			volumes = append(volumes, v.Name+" is of an unsupported volume Type")
		}
	}
	if len(volumes) > 0 {
		reasons = append([]string{"volumes not supported: " + strings.Join(volumes, ", ")}, reasons...)
	}
	if len(fields) > 0 {
		reasons = append([]string{"fields not supported: " + strings.Join(fields, ", ")}, reasons...)
	}
	return reasons
}
