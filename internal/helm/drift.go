package helm

import (
	"bytes"
	"context"
	"reflect"

	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// unchanged reports whether the deployed revision is what is wanted. It changes nothing.
func (o *operation) unchanged(ctx context.Context, last *helmrelease.Release) (same bool, err error) {
	if last == nil || last.Info.Status != helmrelease.StatusDeployed || last.Chart == nil || last.Chart.Metadata == nil {
		return false, nil
	}
	if last.Chart.Metadata.Name != o.chart.Name || last.Chart.Metadata.Version != o.chart.Version || !marked(last, o.chart.digest) {
		return false, nil
	}
	if len(o.wanted.Values) > 0 && !reflect.DeepEqual(o.wanted.Values, last.Config) {
		return false, nil
	}
	o.drift, err = o.drifted(ctx, last)
	return o.drift == "" && err == nil, err
}

// drifted says which object of a revision is not any more what the revision made it, nothing when all
// are. What somebody changed is set back, as `helm upgrade` does.
func (o *operation) drifted(ctx context.Context, last *helmrelease.Release) (string, error) {
	client, ok := o.config.KubeClient.(*lenient)
	if !ok {
		return "its objects are not known", nil
	}
	objects, err := client.Client.Build(bytes.NewBufferString(last.Manifest), false)
	if err != nil {
		// Such as a kind that is gone; an upgrade knows better what to say of it.
		return "its objects cannot be read", nil //nolint:nilerr // the upgrade reads them again
	}
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object.Object)
		if err != nil {
			return "", err
		}
		installed := &unstructured.Unstructured{Object: content}
		installed.SetNamespace(object.Namespace)
		fields, err := o.cluster.Drift(ctx, installed)
		switch {
		case apierrors.IsNotFound(err):
			return kube.Describe(installed) + " is missing", nil
		case err != nil:
			return "", err
		case len(fields) > 0:
			return kube.Describe(installed) + " has changed: " + fields[0], nil
		}
	}
	return "", nil
}
