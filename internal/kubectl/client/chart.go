package client

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

// Chart is a Helm release as it should be.
type Chart struct {
	Release   string
	Namespace string
	Name      string
	// Repository is an https:// or oci:// address, or an s3:// one of the chart's zip.
	Repository string
	Version    string
	Values     map[string]any
}

// Install makes the release so. It does not wait for the release's pods: what they lack is seen
// better at them, and a stage has less time than they may need.
func (c *Client) Install(ctx context.Context, chart Chart) ([]Change, error) {
	if c.view.blind() {
		return []Change{{Object: "Release " + chart.Namespace + "/" + chart.Release, Change: environment.Created, Details: []string{"chart " + chart.Name + " " + chart.Version}}}, nil
	}
	values, err := json.Marshal(chart.Values)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot encode the values of release %s", chart.Release)
	}
	properties := map[string]string{
		"Release":       chart.Release,
		"Namespace":     chart.Namespace,
		"Values":        string(values),
		"UpgradeCrds":   "true",
		"ReportChanges": "true",
	}
	if strings.HasPrefix(chart.Repository, "s3://") {
		// The zip is one version of one chart.
		properties["ChartAssetURL"] = chart.Repository
	} else {
		properties["Chart"], properties["Repository"], properties["Version"] = chart.Name, chart.Repository, chart.Version
	}
	return c.change(ctx, "Update", protocol.Chart, properties)
}

// Patch merges patch into an object, such as "deployment/coredns", strategically.
func (c *Client) Patch(ctx context.Context, namespace, object string, patch any) error {
	text, err := json.Marshal(patch)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "cannot encode a patch of %s", object)
	}
	_, err = c.call(ctx, "Update", protocol.Patch, map[string]string{
		"ResourceName":      object,
		"ResourceNamespace": namespace,
		"ApplyPatchJson":    string(text),
		"RestorePatchJson":  "{}",
		"PatchType":         "strategic",
	})
	return err
}

// change sends a request that reports what it changed; for a plan, one that asks what it would.
func (c *Client) change(ctx context.Context, request, resource string, properties map[string]string) ([]Change, error) {
	if c.view == asks {
		request = protocol.Plan
	}
	value, err := c.call(ctx, request, resource, properties)
	if err != nil {
		return nil, err
	}
	var changes []Change
	if err := json.Unmarshal([]byte(value), &changes); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read the answer of %s", c.function)
	}
	return changes, nil
}
