package gate_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	"localcloud/kubernetes/internal/gate"
)

// TestGate follows a pod whose program fails at first: the reason is in its status, and it is asked
// about again until it works.
func TestGate(t *testing.T) {
	var asked atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(gate.Answer{Ready: asked.Add(1) > 1, Reason: "no role"})
	}))
	defer service.Close()

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p", UID: "u", Labels: map[string]string{gate.Label: "controller"}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "c"}},
		},
	}
	client := fake.NewClientset(pod)
	changes, err := client.CoreV1().Pods("n").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	g, err := gate.New(client, service.URL, record.NewFakeRecorder(10), pods)
	if err != nil {
		t.Fatal(err)
	}
	go pods.RunWithContext(ctx)
	go g.Run(ctx)

	var reasons []string
	for change := range changes.ResultChan() {
		got, ok := change.Object.(*corev1.Pod)
		if !ok {
			t.Fatalf("unexpected %T", change.Object)
		}
		if gate.Ready(got) {
			break
		}
		if waiting := got.Status.ContainerStatuses[0].State.Waiting; waiting != nil {
			reasons = append(reasons, waiting.Message)
		}
	}
	if len(reasons) != 1 || reasons[0] != "no role" {
		t.Errorf("reasons in the status before it worked: got %q, want one: no role", reasons)
	}
}
