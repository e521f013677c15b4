// Package identity gives pods the AWS identity of their service account, as EKS' webhook for IAM roles
// for service accounts does (https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html).
package identity

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
	// Annotation names the role at the service account.
	Annotation = "eks.amazonaws.com/role-arn"
	// RoleVariable and tokenVariable are what the AWS SDKs read.
	RoleVariable  = "AWS_ROLE_ARN"
	tokenVariable = "AWS_WEB_IDENTITY_TOKEN_FILE"

	volume    = "aws-iam-token"
	directory = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
)

// Mutation returns the webhook: what the service account says when the pod is created counts for the
// pod's whole life.
func Mutation(client kubernetes.Interface, region string) admission.Mutation {
	return admission.Mutation{
		Name: "pod-identity-webhook",
		Mutate: func(ctx context.Context, namespace string, pod *corev1.Pod) (bool, error) {
			name := pod.Spec.ServiceAccountName
			if name == "" {
				name = "default"
			}
			account, err := client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil // the API server refuses the pod by itself
			}
			if err != nil {
				return false, fmt.Errorf("read service account %s/%s: %w", namespace, name, err)
			}
			role := account.Annotations[Annotation]
			if role == "" {
				return false, nil
			}
			give(pod, role, region)
			return true, nil
		},
	}
}

// give adds the projected token and the variables that lead an SDK to it.
func give(pod *corev1.Pod, role, region string) {
	seconds := int64(86400)
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{
		Name: volume,
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
			ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: "sts.amazonaws.com", ExpirationSeconds: &seconds, Path: "token"},
		}}}},
	})
	variables := []corev1.EnvVar{
		{Name: "AWS_STS_REGIONAL_ENDPOINTS", Value: "regional"},
		{Name: "AWS_DEFAULT_REGION", Value: region},
		{Name: "AWS_REGION", Value: region},
		{Name: RoleVariable, Value: role},
		{Name: tokenVariable, Value: directory + "/token"},
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].Env = merge(containers[i].Env, variables)
			containers[i].VolumeMounts = append(containers[i].VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: directory, ReadOnly: true})
		}
	}
}

// merge adds the variables that are not there yet: the pod's own win.
func merge(present, added []corev1.EnvVar) []corev1.EnvVar {
	for _, a := range added {
		known := false
		for _, p := range present {
			known = known || p.Name == a.Name
		}
		if !known {
			present = append(present, a)
		}
	}
	return present
}
