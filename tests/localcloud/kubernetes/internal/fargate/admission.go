package fargate

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"localcloud/kubernetes/internal/admission"
)

const (
	// loggingAnnotation tells whether a pod's output is collected, decided once, when it is created:
	// https://docs.aws.amazon.com/eks/latest/userguide/fargate-logging.html
	loggingAnnotation = "Logging"
	loggingEnabled    = "LoggingEnabled"
	loggingDisabled   = "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND"

	loggingNamespace = "aws-observability"
	loggingConfigMap = "aws-logging"
)

// Mutation returns the webhook that hands new pods to Fargate. A pod that is there before its profile
// is never taken.
func Mutation(client kubernetes.Interface, file File) admission.Mutation {
	return admission.Mutation{
		Name: "0500-amazon-eks-fargate-mutation",
		Mutate: func(ctx context.Context, namespace string, pod *corev1.Pod) (bool, error) {
			profiles, err := file.Profiles()
			if err != nil {
				return false, err
			}
			profile := Match(profiles, namespace, pod)
			if profile == nil {
				return false, nil
			}
			logging, err := logging(ctx, client)
			if err != nil {
				return false, err
			}
			pod.Labels = with(pod.Labels, ProfileLabel, profile.Name)
			pod.Annotations = with(pod.Annotations, loggingAnnotation, logging)
			pod.Spec.SchedulerName = SchedulerName
			return true, nil
		},
	}
}

// logging returns the annotation's value. The namespace must carry its label, or the router of the
// logs never looks at the ConfigMap.
func logging(ctx context.Context, client kubernetes.Interface) (string, error) {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, loggingNamespace, metav1.GetOptions{})
	if err == nil && namespace.Labels[loggingNamespace] == "enabled" {
		_, err = client.CoreV1().ConfigMaps(loggingNamespace).Get(ctx, loggingConfigMap, metav1.GetOptions{})
		if err == nil {
			return loggingEnabled, nil
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("look for logging configuration: %w", err)
	}
	return loggingDisabled, nil
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}
