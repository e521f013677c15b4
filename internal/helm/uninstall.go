package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// Uninstall removes a release with its history, whatever state it is in. One that does not exist is
// unchanged. What of its objects could not be deleted is an error, and so is, when Wait asks for
// that, what is not gone in time.
func (c *Client) Uninstall(ctx context.Context, release Release) (kube.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if chartutil.ValidateReleaseName(release.Name) != nil {
		// No release can have such a name.
		return kube.Unchanged, nil
	}
	release.Atomic = false
	o := &operation{Client: c, wanted: release}
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		change, err := o.uninstall(ctx)
		if err == nil {
			return change, nil
		}
		if !again(err) || time.Since(start)+pause > o.options.Patience || !roomAfter(ctx, pause) || timer.Wait(ctx, pause) != nil {
			return "", err
		}
	}
}

// Abandon uninstalls what a failed first installation left, and reports whether there was such. A
// release that has ever been deployed, or that something works on, is left alone.
func (c *Client) Abandon(ctx context.Context, release Release) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	release.Wait, release.Atomic = false, false
	o := &operation{Client: c, wanted: release}
	if err := o.begin(ctx); err != nil {
		return false, err
	}
	revisions, err := o.config.Releases.History(release.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) || err == nil && len(revisions) == 0 {
		return false, nil
	}
	if err != nil {
		return false, classify(err, "read "+release.String())
	}
	for _, revision := range revisions {
		if revision.Info.Status != helmrelease.StatusFailed {
			return false, nil
		}
	}
	_, err = o.uninstall(ctx)
	return err == nil, err
}

// uninstall uninstalls once.
func (o *operation) uninstall(ctx context.Context) (kube.Change, error) {
	if err := o.begin(ctx); err != nil {
		return "", err
	}
	last, err := o.last(ctx)
	if err != nil {
		return "", err
	}
	if last == nil {
		return kube.Unchanged, nil
	}
	run := action.NewUninstall(o.config)
	run.Wait = o.wanted.Wait
	run.Timeout = o.timeout
	if _, err := run.Run(o.wanted.Name); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return "", o.undeleted(err, last)
	}
	return kube.Deleted, nil
}

// undeleted classifies the error of an uninstallation.
func (o *operation) undeleted(err error, last *helmrelease.Release) error {
	what := "uninstall " + o.wanted.String()
	if !notReady(err) {
		return classify(errors.Join(append([]error{err}, o.journal.kept()...)...), what)
	}
	text := fmt.Sprintf("%s: its objects are not gone after %s", what, o.timeout.Round(time.Second))
	if left := o.left(last); len(left) > 0 {
		text += ": " + strings.Join(left, ", ")
	}
	f := fault.New(fault.Failed, "%s", text).WithNext("A finalizer keeps an object until its controller has cleaned up: look whether that runs.")
	f.Err = err
	return f
}

// left names the objects of a release that still exist.
func (o *operation) left(last *helmrelease.Release) []string {
	objects, err := o.config.KubeClient.Build(bytes.NewBufferString(last.Manifest), false)
	if err != nil {
		return nil
	}
	var names []string
	for _, object := range objects {
		if object.Get() != nil {
			continue
		}
		name := object.Name
		if object.Namespace != "" {
			name = object.Namespace + "/" + name
		}
		names = append(names, object.Mapping.GroupVersionKind.Kind+" "+name)
	}
	return names
}
