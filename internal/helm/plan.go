package helm

import (
	"context"
	"fmt"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// Plan says what Apply would do to a release and, with UpgradeCRDs, to each of the chart's
// CustomResourceDefinitions. It changes nothing.
func (c *Client) Plan(ctx context.Context, chart *Chart, wanted Release) ([]kube.Planned, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wanted, err := wanted.checked()
	if err != nil {
		return nil, err
	}
	o := &operation{Client: c, wanted: wanted, chart: chart}
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	last, err := o.last(ctx)
	if err != nil {
		return nil, err
	}
	planned, err := o.planDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	release := kube.Planned{Object: "Release " + wanted.Namespace + "/" + wanted.Name, Change: kube.Updated}
	same, err := o.unchanged(ctx, last)
	switch {
	case err != nil:
		return nil, err
	case same:
		release.Change = kube.Unchanged
	case last == nil || last.Info.Status == helmrelease.StatusUninstalled:
		release.Change, release.Details = kube.Created, []string{"chart " + chart.Name + " " + chart.Version}
	default:
		release.Details = o.differences(last)
	}
	return append(planned, release), nil
}

// planDefinitions plans the chart's CustomResourceDefinitions.
func (o *operation) planDefinitions(ctx context.Context) ([]kube.Planned, error) {
	var all []kube.Planned
	err := o.eachDefinition(func(object *unstructured.Unstructured) error {
		planned, err := o.cluster.Plan(ctx, object, kube.WriteOptions{SkipValidation: true})
		all = append(all, planned)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// differences says what makes the newest revision another than the wanted one. Of values it names the
// keys: values may be secret.
func (o *operation) differences(last *helmrelease.Release) []string {
	all := []string{fmt.Sprintf("revision %d becomes %d", last.Version, last.Version+1)}
	if last.Info.Status != helmrelease.StatusDeployed {
		all = append(all, "its status is "+last.Info.Status.String())
	}
	if last.Chart != nil && last.Chart.Metadata != nil {
		have, want := last.Chart.Metadata.Name+" "+last.Chart.Metadata.Version, o.chart.Name+" "+o.chart.Version
		switch {
		case have != want:
			all = append(all, "chart "+have+" becomes "+want)
		case !marked(last, o.chart.digest):
			all = append(all, "chart "+want+" has another content")
		}
	}
	if len(o.wanted.Values) > 0 {
		none := func([]string, string) bool { return false }
		for _, key := range kube.Differences(last.Config, o.wanted.Values, none) {
			all = append(all, "value "+key)
		}
	}
	if o.drift != "" {
		all = append(all, o.drift)
	}
	return all
}
