package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	// defaultTimeout and history are those of Helm's command line.
	defaultTimeout = 5 * time.Minute
	history        = 10

	// defaultPatience bounds the repetitions of an action. The webhook of a controller that has just
	// been installed has endpoints after a minute or so.
	defaultPatience = 2 * time.Minute
	lastPause       = 15 * time.Second
	// kindPatience bounds the wait for a kind that another chart may be about to bring.
	kindPatience = 20 * time.Second

	// margin is kept of a request's time to record how the action ended; without a record the release
	// stays locked.
	margin = 15 * time.Second
	// slack is how much earlier than the action the waits in it end, so that it is a wait that fails.
	slack = 5 * time.Second
)

// Release is a release as it is wanted.
type Release struct {
	Name, Namespace string
	// Values are the user's values. None keeps those of the revision before.
	Values map[string]any
	// CreateNamespace creates the namespace before the first installation.
	CreateNamespace bool
	// Wait waits until the release's objects are ready, or gone.
	Wait bool
	// Atomic waits, and undoes what failed.
	Atomic bool
	// Timeout bounds each wait; 5 min when zero. It is cut to what the context leaves.
	Timeout time.Duration
	// SkipCRDs leaves the chart's CustomResourceDefinitions out.
	SkipCRDs bool
	// UpgradeCRDs applies the chart's CustomResourceDefinitions on upgrades, too. Helm creates them
	// with the first installation and never touches them again.
	UpgradeCRDs bool
}

// String implements fmt.Stringer.
func (r Release) String() string { return "release " + r.Namespace + "/" + r.Name }

// Options are the optional parts of a [Client].
type Options struct {
	// Patience bounds the repetitions of an action after errors that time cures; 2 min when zero.
	Patience time.Duration
	// Now is the clock by which an abandoned operation is told; the real one when nil.
	Now func() time.Time
}

// Client works on the releases of one cluster.
type Client struct {
	cluster *kube.Client
	options Options
}

// New returns a client.
func New(cluster *kube.Client, options Options) *Client {
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Client{cluster: cluster, options: options}
}

// Apply makes a release what is wanted, and says what that took: of the release and, with
// UpgradeCRDs, of each CustomResourceDefinition.
//
// A release whose deployed revision has the same chart and values, and whose objects are as it made them,
// is left alone, though waited for when Wait asks for that. Otherwise it is installed or upgraded, and that
// again while the failure is one that time cures. A release that an operation left locked is
// recovered first, once that operation cannot be alive any more; until then the error is InProgress.
func (c *Client) Apply(ctx context.Context, chart *Chart, wanted Release) ([]kube.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := chartutil.ValidateReleaseName(wanted.Name); err != nil {
		return nil, invalid("Release", "%q is not a release's name: %s", wanted.Name, err)
	}
	var err error
	if wanted.Values, err = normal(wanted.Values); err != nil {
		return nil, invalid("Values", "are no JSON object")
	}
	o := &operation{Client: c, wanted: wanted, chart: chart, owner: newOwner(ctx)}
	last, err := o.settled(ctx)
	if err != nil {
		return nil, err
	}
	results, err := o.definitions(ctx)
	if err != nil {
		return results, err
	}
	change, err := o.converge(ctx, last)
	return append(results, kube.Result{Object: "Release " + wanted.Namespace + "/" + wanted.Name, Change: change, Err: err}), err
}

// limits returns how long a wait may take, and a whole action. An atomic one may have to be undone in
// the same time again.
func limits(ctx context.Context, wanted Release) (timeout, limit time.Duration) {
	timeout = wanted.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return timeout, 24 * time.Hour
	}
	limit = time.Until(deadline) - margin
	if wanted.Atomic {
		limit /= 2
	}
	limit = max(limit, 2*time.Second)
	return min(timeout, max(limit-slack, time.Second)), limit
}

// roomAfter reports whether there is time for another attempt after a pause: what is begun later than
// that could not even be recorded.
func roomAfter(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline)-pause > margin
}

// operation is one request's work on one release.
type operation struct {
	*Client
	wanted Release
	chart  *Chart
	owner  owner

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
	if last == nil || last.Info.Status == helmrelease.StatusUninstalled {
		return kube.Created, o.install(ctx, last, content)
	}
	return kube.Updated, o.upgrade(ctx, last, content)
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

// install makes the first revision, or the first after an uninstallation that kept the history.
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

// normal returns values of the types that a revision's record is read back with.
func normal(values map[string]any) (map[string]any, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	var made map[string]any
	err = json.Unmarshal(text, &made)
	return made, err
}

// values returns a copy of the values, which the SDK may write into.
func (o *operation) values() map[string]any {
	if o.wanted.Values == nil {
		return map[string]any{}
	}
	return runtime.DeepCopyJSON(o.wanted.Values)
}

// definitions applies the chart's CustomResourceDefinitions, where that is asked for. Before the
// first installation as well: what Helm creates itself looks like another's on the next apply.
func (o *operation) definitions(ctx context.Context) ([]kube.Result, error) {
	var results []kube.Result
	err := o.eachDefinition(func(object *unstructured.Unstructured) error {
		change, err := o.cluster.Apply(ctx, object, kube.WriteOptions{SkipValidation: true})
		results = append(results, kube.Result{Object: kube.Describe(object), Change: change, Err: err})
		return err
	})
	return results, err
}

// eachDefinition visits the chart's CustomResourceDefinitions, where they are to be applied, until a
// visit fails.
func (o *operation) eachDefinition(visit func(*unstructured.Unstructured) error) error {
	if o.wanted.SkipCRDs || !o.wanted.UpgradeCRDs {
		return nil
	}
	content, err := o.chart.load()
	if err != nil {
		return err
	}
	for _, definition := range content.CRDObjects() {
		objects, err := objectsOf(definition.File.Data)
		if err != nil {
			return invalid("Chart", "the chart's %s cannot be read: %s", definition.Filename, oneLine(err.Error()))
		}
		for _, object := range objects {
			if err := visit(object); err != nil {
				return err
			}
		}
	}
	return nil
}

// objectsOf reads the documents of a YAML file.
func objectsOf(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
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
