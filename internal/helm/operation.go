package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// operation is one request's work on one release.
type operation struct {
	*Client
	wanted Release
	chart  *Chart
	owner  owner
	// installing says that an attempt has installed.
	installing bool

	// These are of the attempt that runs.
	timeout, limit time.Duration
	config         *action.Configuration
	journal        *journal
	// drift says what of a deployed revision is not as it was made.
	drift string
}

// begin makes a new configuration, with nothing cached, and shares out the time that is left now: what
// was tried or recovered before has taken some.
func (o *operation) begin(ctx context.Context) (err error) {
	o.timeout, o.limit = limits(ctx, o.wanted)
	o.journal, o.drift = &journal{}, ""
	o.config, err = configuration(ctx, o.cluster, o.wanted.Namespace, o.journal)
	return err
}

// last reads the newest revision, nil when there is none.
func (o *operation) last(ctx context.Context) (*helmrelease.Release, error) {
	var found *helmrelease.Release
	err := o.cluster.Do(ctx, "read "+o.wanted.String(), func(context.Context) (err error) {
		found, err = o.config.Releases.Last(o.wanted.Name)
		if errors.Is(err, driver.ErrReleaseNotFound) {
			found, err = nil, nil
		}
		return err
	})
	return found, err
}

// converge installs or upgrades until that succeeds, or fails for good.
func (o *operation) converge(ctx context.Context, last *helmrelease.Release) (kube.Change, error) {
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		change, err := o.attempt(ctx, last)
		if err == nil {
			return change, nil
		}
		patience := o.options.Patience
		if strings.Contains(err.Error(), textNoKind) {
			patience = min(patience, kindPatience)
		}
		if !again(err) || time.Since(start)+pause > patience || !roomAfter(ctx, pause) || timer.Wait(ctx, pause) != nil {
			return "", o.fault(err)
		}
		if last, err = o.settled(ctx); err != nil {
			return "", err
		}
	}
}

// attempt finds out what there is to do, and does it once.
func (o *operation) attempt(ctx context.Context, last *helmrelease.Release) (kube.Change, error) {
	same, err := o.unchanged(ctx, last)
	if err != nil {
		return "", err
	}
	if same {
		return kube.Unchanged, o.await(last)
	}
	content, err := o.chart.load()
	if err != nil {
		return "", err
	}
	// The chart's definitions may have been waited for since the attempt began.
	o.timeout, o.limit = limits(ctx, o.wanted)
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if o.installs(last) {
		o.installing = true
		return kube.Created, o.install(ctx, last, content)
	}
	return kube.Updated, o.upgrade(ctx, last, content)
}

// installs reports whether to install and not to upgrade. The next attempt at an installation of this
// request is one again: an upgrade would leave out the hooks of installations, and count as a success.
func (o *operation) installs(last *helmrelease.Release) bool {
	if last == nil || last.Info.Status == helmrelease.StatusUninstalled {
		return true
	}
	return o.installing && last.Info.Status == helmrelease.StatusFailed && last.Labels[ownerLabel] == string(o.owner)
}

// await waits for the objects of a release that is left alone.
func (o *operation) await(last *helmrelease.Release) error {
	if !o.wanted.Wait && !o.wanted.Atomic {
		return nil
	}
	objects, err := o.config.KubeClient.Build(bytes.NewBufferString(last.Manifest), false)
	if err != nil {
		return err
	}
	return o.config.KubeClient.Wait(objects, o.timeout)
}

// install makes the first revision, or the first after an uninstallation that kept the history, or after
// attempts that failed.
func (o *operation) install(ctx context.Context, last *helmrelease.Release, content *chart.Chart) error {
	run := action.NewInstall(o.config)
	revision := 1
	if last != nil {
		run.Replace = true
		revision = last.Version + 1
	}
	run.ReleaseName = o.wanted.Name
	run.Namespace = o.wanted.Namespace
	run.CreateNamespace = o.wanted.CreateNamespace
	run.Wait = o.wanted.Wait
	run.Atomic = o.wanted.Atomic
	run.Timeout = o.timeout
	run.SkipCRDs = o.wanted.SkipCRDs || o.wanted.UpgradeCRDs
	run.Labels = o.owner.labels(o.chart.digest, revision)
	_, err := run.RunWithContext(ctx, content, o.values())
	return err
}

// upgrade makes another revision.
func (o *operation) upgrade(ctx context.Context, last *helmrelease.Release, content *chart.Chart) error {
	run := action.NewUpgrade(o.config)
	run.Install = true
	run.Namespace = o.wanted.Namespace
	run.Wait = o.wanted.Wait
	run.Atomic = o.wanted.Atomic
	run.Timeout = o.timeout
	run.SkipCRDs = o.wanted.SkipCRDs
	run.MaxHistory = history
	run.Labels = o.owner.labels(o.chart.digest, last.Version+1)
	_, err := run.RunWithContext(ctx, o.wanted.Name, content, o.values())
	return err
}

// values returns a copy of the values, which the SDK may write into.
func (o *operation) values() map[string]any {
	if o.wanted.Values == nil {
		return map[string]any{}
	}
	return runtime.DeepCopyJSON(o.wanted.Values)
}

// fault classifies the error that an attempt ended in.
func (o *operation) fault(err error) error {
	what := o.wanted.String()
	if !notReady(err) {
		return classify(err, what)
	}
	text := fmt.Sprintf("%s: its objects are not ready after %s", what, o.timeout.Round(time.Second))
	if reason := o.journal.lastUnready(); reason != "" {
		text += ": " + reason
	}
	f := &fault.Error{Code: fault.Failed, Message: text, Err: err}
	if o.wanted.Atomic {
		f.Message += " (" + oneLine(err.Error()) + ")"
	}
	f.WithNext("Look at the pods' events and logs.")
	if wanted := o.wanted.Timeout; wanted > o.timeout {
		f.WithNext("Look at the pods' events and logs. This request had no more time than that, though Timeout is %s.", wanted)
	}
	return f
}
