// Package admission serves mutating webhooks for pods.
//
// It owns the protocol and the registration, and knows nothing of what the mutations are for.
package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// limit of a request; the API server sends no object above 3 MiB.
const limit = 8 << 20

// Mutation changes pods when they are created.
type Mutation struct {
	// Name is the name of the webhook's configuration, and of its path.
	Name string
	// Mutate changes the pod, which is to be created in the namespace, and tells whether it did.
	Mutate func(ctx context.Context, namespace string, pod *corev1.Pod) (bool, error)
}

// Register tells the API server to call the mutations at base, an https URL whose certificate ca signed.
// A webhook that cannot be reached is passed over, as EKS does with its own.
func Register(ctx context.Context, client kubernetes.Interface, base string, ca []byte, mutations ...Mutation) error {
	api := client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	for _, m := range mutations {
		wanted := configuration(m.Name, base, ca)
		_, err := api.Create(ctx, wanted, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // of an earlier run, at another port
			if err = api.Delete(ctx, m.Name, metav1.DeleteOptions{}); err == nil {
				_, err = api.Create(ctx, wanted, metav1.CreateOptions{})
			}
		}
		if err != nil {
			return fmt.Errorf("register webhook %s: %w", m.Name, err)
		}
	}
	return nil
}

func configuration(name, base string, ca []byte) *registrationv1.MutatingWebhookConfiguration {
	url := base + "/" + name
	ignore, none, namespaced := registrationv1.Ignore, registrationv1.SideEffectClassNone, registrationv1.NamespacedScope
	seconds := int32(5)
	return &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []registrationv1.MutatingWebhook{{
			Name:                    name + ".amazonaws.com",
			ClientConfig:            registrationv1.WebhookClientConfig{URL: &url, CABundle: ca},
			FailurePolicy:           &ignore,
			SideEffects:             &none,
			TimeoutSeconds:          &seconds,
			AdmissionReviewVersions: []string{"v1"},
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Create},
				Rule:       registrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}, Scope: &namespaced},
			}},
		}},
	}
}

// Handler answers for all mutations, each at the path of its name.
func Handler(mutations ...Mutation) http.Handler {
	mux := http.NewServeMux()
	for _, m := range mutations {
		mux.Handle("POST /"+m.Name, Answer(func(ctx context.Context, request *admissionv1.AdmissionRequest) ([]byte, error) {
			return m.patch(ctx, request)
		}))
	}
	return mux
}

// Answer makes a handler from a function that returns a JSON patch, or nil for none. Everything is
// allowed: when the function fails, the object stays as it is.
func Answer(patch func(context.Context, *admissionv1.AdmissionRequest) ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal(data, &review); err != nil || review.Request == nil {
			http.Error(w, "not an AdmissionReview with a request", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		change, err := patch(r.Context(), review.Request)
		if err != nil {
			slog.ErrorContext(r.Context(), "mutate", "path", r.URL.Path, "name", review.Request.Name, "error", err)
		} else if change != nil {
			kind := admissionv1.PatchTypeJSONPatch
			review.Response.Patch, review.Response.PatchType = change, &kind
		}
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review) // an error means that the API server hung up
	})
}

// patch returns the JSON patch of the mutation. It replaces whole sections, since both sides know the
// same version of the types.
func (m Mutation) patch(ctx context.Context, request *admissionv1.AdmissionRequest) ([]byte, error) {
	var pod corev1.Pod
	if err := json.Unmarshal(request.Object.Raw, &pod); err != nil {
		return nil, fmt.Errorf("decode pod: %w", err)
	}
	changed, err := m.Mutate(ctx, request.Namespace, &pod)
	if err != nil || !changed {
		return nil, err
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	operations := []operation{{Op: "replace", Path: "/spec", Value: pod.Spec}}
	if len(pod.Labels) > 0 {
		operations = append(operations, operation{Op: "add", Path: "/metadata/labels", Value: pod.Labels})
	}
	if len(pod.Annotations) > 0 {
		operations = append(operations, operation{Op: "add", Path: "/metadata/annotations", Value: pod.Annotations})
	}
	data, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	return data, nil
}
