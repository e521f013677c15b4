package kubectl

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/helm"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// Charts reads Helm charts.
type Charts interface {
	Load(ctx context.Context, source helm.Source) (*helm.Chart, error)
}

var _ Charts = (*helm.Charts)(nil)

// chart carries out a HelmChart: Create and Update install or upgrade a release, Delete uninstalls
// it. When an Update names another release or namespace than before, the release before is
// uninstalled once the new one stands.
//
// With ReportChanges the answer says what was done; otherwise it is null, as the CDK's.
func (h *Handler) chart(ctx context.Context, event Event) (Outcome, error) {
	reporting, err := event.Properties.Flag("ReportChanges")
	if err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	if event.RequestType == Delete {
		outcome.Objects, err = h.uninstall(ctx, event)
	} else {
		outcome.Objects, err = h.install(ctx, event)
	}
	if err == nil && reporting {
		outcome.Data, err = report(outcome.Objects)
	}
	return outcome, err
}

// install installs or upgrades a release.
func (h *Handler) install(ctx context.Context, event Event) ([]kube.Result, error) {
	wanted, err := releaseOf(event.Properties)
	if err != nil {
		return nil, err
	}
	if err := event.unresolved("Values"); err != nil {
		return nil, err
	}
	// The connection is tried first: it is quick, and most likely to be refused.
	cluster, err := h.cluster(ctx, event)
	if err != nil {
		return nil, err
	}
	chart, err := h.options.Charts.Load(ctx, sourceOf(event.Properties))
	if err != nil {
		return nil, err
	}
	client := helm.New(cluster, helm.Options{Patience: h.options.ChartPatience})
	results, err := client.Apply(ctx, chart, wanted)
	if err != nil && event.RequestType == Create && event.ofStack() {
		return results, abandon(ctx, client, wanted, err)
	}
	if err != nil || event.RequestType != Update ||
		event.OldProperties.Text("ClusterName") != event.Properties.Text("ClusterName") {
		return results, err
	}
	before, err := formerOf(event.OldProperties)
	if err != nil || before.Name == wanted.Name && before.Namespace == wanted.Namespace {
		// Old properties that cannot be read made no release.
		return results, nil
	}
	change, err := client.Uninstall(ctx, before)
	return append(results, releaseResult(before, change, err)), err
}

// abandon uninstalls what a failed creation installed, as undo deletes objects, and for its reasons.
func abandon(ctx context.Context, client *helm.Client, wanted helm.Release, cause error) error {
	f := *fault.As(cause)
	done, err := client.Abandon(ctx, wanted)
	switch {
	case err != nil:
		f.Message += "; what was installed is left behind"
	case done:
		f.Message += "; what was installed is uninstalled again"
	}
	return &f
}

// uninstall uninstalls a release. One whose cluster is gone went with it.
func (h *Handler) uninstall(ctx context.Context, event Event) ([]kube.Result, error) {
	release, err := formerOf(event.Properties)
	if err != nil {
		return nil, err
	}
	cluster, err := h.cluster(ctx, event)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	client := helm.New(cluster, helm.Options{Patience: h.options.ChartPatience})
	change, err := client.Uninstall(ctx, release)
	return []kube.Result{releaseResult(release, change, err)}, err
}

func releaseResult(release helm.Release, change kube.Change, err error) kube.Result {
	return kube.Result{Object: "Release " + release.Namespace + "/" + release.Name, Change: change, Err: err}
}

// sourceOf reads where the chart is.
func sourceOf(properties Properties) helm.Source {
	return helm.Source{
		Chart:      properties.Text("Chart"),
		Repository: properties.Text("Repository"),
		Version:    properties.Text("Version"),
		AssetURL:   properties.Text("ChartAssetURL"),
	}
}

// formerOf reads the properties of a release that is to go. Where it is takes its name alone, so
// nothing else that is wrong with the properties keeps it.
func formerOf(properties Properties) (helm.Release, error) {
	name, err := properties.Required("Release")
	if err != nil {
		return helm.Release{}, err
	}
	release := helm.Release{Name: name, Namespace: properties.Text("Namespace")}
	if release.Namespace == "" {
		release.Namespace = "default"
	}
	if wait, err := properties.Flag("Wait"); err == nil {
		release.Wait = wait
	}
	if timeout, err := duration(properties, "Timeout"); err == nil {
		release.Timeout = timeout
	}
	return release, nil
}

// releaseOf reads the properties of a release that is wanted.
func releaseOf(properties Properties) (helm.Release, error) {
	release, err := formerOf(properties)
	if err != nil {
		return helm.Release{}, err
	}
	for name, flag := range map[string]*bool{
		"CreateNamespace": &release.CreateNamespace,
		"Wait":            &release.Wait,
		"Atomic":          &release.Atomic,
		"SkipCrds":        &release.SkipCRDs,
		"UpgradeCrds":     &release.UpgradeCRDs,
	} {
		if *flag, err = properties.Flag(name); err != nil {
			return helm.Release{}, err
		}
	}
	if release.Timeout, err = duration(properties, "Timeout"); err != nil {
		return helm.Release{}, err
	}
	release.Values, err = valuesOf(properties)
	return release, err
}

// duration reads a time such as 900s, or a number of seconds; zero when absent.
func duration(properties Properties, name string) (time.Duration, error) {
	text := strings.TrimSpace(properties.Text(name))
	if text == "" {
		return 0, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 || value > 24*time.Hour {
		return 0, invalid(name, "is not a time such as 900s")
	}
	return value, nil
}

// valuesOf reads the values: JSON in a string, or as they are from a direct caller. YAML is accepted
// too, as by Helm, and numbers become those that Helm's command line makes of a file's.
func valuesOf(properties Properties) (map[string]any, error) {
	var values map[string]any
	text, err := jsonOf(properties.Text("Values"))
	if err != nil || json.Unmarshal(text, &values) != nil {
		return nil, invalid("Values", "is not a JSON object")
	}
	return values, nil
}
