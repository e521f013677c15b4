// Package gate holds pods back until somebody outside says that their program would work.
//
// A simulated node runs no program, so every pod would become Ready whatever its arguments. A pod with
// the label localcloud.gate is described to an HTTP service instead, again and again until the answer
// is yes, as a container that exits at once is started again and again.
package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

// Label marks a pod that is held back; its value says what program it is.
const Label = "localcloud.gate"

const (
	retry   = time.Second
	timeout = 5 * time.Second
	limit   = 1 << 20
)

// Answer is what the service says of a pod.
type Answer struct {
	// Ready is true when the program works.
	Ready bool `json:"ready"`
	// Reason is the program's last line of output when it does not.
	Reason string `json:"reason"`
}

// Gate asks and tells the API server. Make one with [New].
type Gate struct {
	client kubernetes.Interface
	url    string
	events record.EventRecorder
	pods   cache.SharedIndexInformer
	queue  workqueue.TypedRateLimitingInterface[string]
}

// New returns a gate that watches pods by the informer, which the caller starts. Without a url every
// program works.
func New(client kubernetes.Interface, url string, events record.EventRecorder, pods cache.SharedIndexInformer) (*Gate, error) {
	g := &Gate{
		client: client, url: url, events: events, pods: pods,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(pod any) { g.seen(pod) },
		UpdateFunc: func(old, pod any) {
			if before, ok := old.(*corev1.Pod); ok && !held(before) {
				g.seen(pod) // what handle writes must not lead to the next question at once
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch pods: %w", err)
	}
	return g, nil
}

// Run works until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	go wait.UntilWithContext(ctx, g.work, time.Second)
	<-ctx.Done()
	g.queue.ShutDown()
}

func (g *Gate) seen(object any) {
	if pod, ok := object.(*corev1.Pod); ok && held(pod) {
		g.queue.Add(pod.Namespace + "/" + pod.Name)
	}
}

func held(pod *corev1.Pod) bool {
	return pod.Labels[Label] != "" && pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning && !Ready(pod)
}

// Ready tells whether the pod is Ready.
func Ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (g *Gate) work(ctx context.Context) {
	for {
		key, shutdown := g.queue.Get()
		if shutdown {
			return
		}
		again, err := g.handle(ctx, key)
		if err != nil {
			slog.ErrorContext(ctx, "ask about pod", "pod", key, "error", err)
			again = true
		}
		g.queue.Done(key)
		if again {
			g.queue.AddAfter(key, retry)
		}
	}
}

// handle asks about one pod and tells whether to ask again.
func (g *Gate) handle(ctx context.Context, key string) (bool, error) {
	object, exists, err := g.pods.GetStore().GetByKey(key)
	if err != nil || !exists {
		return false, err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok || !held(pod) {
		return false, nil
	}
	answer, err := g.ask(ctx, pod)
	if err != nil {
		return false, err
	}
	if !answer.Ready && told(pod, answer.Reason) {
		return true, nil
	}
	if !answer.Ready {
		g.events.Event(pod, corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container: "+answer.Reason)
	}
	return !answer.Ready, g.tell(ctx, pod, answer)
}

// told tells whether the pod's status says so already.
func told(pod *corev1.Pod, reason string) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting == nil || c.State.Waiting.Message != reason {
			return false
		}
	}
	return len(pod.Status.ContainerStatuses) > 0
}

func (g *Gate) ask(ctx context.Context, pod *corev1.Pod) (Answer, error) {
	if g.url == "" {
		return Answer{Ready: true}, nil
	}
	data, err := json.Marshal(pod)
	if err != nil {
		return Answer{}, fmt.Errorf("encode pod: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(data))
	if err != nil {
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", g.url, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	var answer Answer
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return Answer{}, fmt.Errorf("ask %s: %s: %s", g.url, response.Status, body)
	}
	return answer, nil
}

// tell writes the answer into the pod's status as a kubelet would.
func (g *Gate) tell(ctx context.Context, pod *corev1.Pod, answer Answer) error {
	now, status, reason := metav1.Now(), corev1.ConditionTrue, ""
	if !answer.Ready {
		status, reason = corev1.ConditionFalse, "ContainersNotReady"
	}
	var conditions []corev1.PodCondition
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.ContainersReady} {
		conditions = append(conditions, corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: answer.Reason, LastTransitionTime: now})
	}
	containers := make([]corev1.ContainerStatus, len(pod.Status.ContainerStatuses))
	for i, c := range pod.Status.ContainerStatuses {
		c.Ready, c.Started = answer.Ready, &answer.Ready
		c.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		if !answer.Ready {
			c.RestartCount++
			c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: answer.Reason}}
		}
		containers[i] = c
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID}, // not the next pod of this name
		"status":   map[string]any{"conditions": conditions, "containerStatuses": containers},
	})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	_, err = g.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}
