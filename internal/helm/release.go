package helm

import (
	"context"
	"encoding/json"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/harmonix-eks/environment-provider/internal/kube"
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

// checked returns the release with values of the types that a revision's record is read back with.
func (r Release) checked() (Release, error) {
	if err := chartutil.ValidateReleaseName(r.Name); err != nil {
		return r, invalid("Release", "%q is not a release's name: %s", r.Name, err)
	}
	text, err := json.Marshal(r.Values)
	if err == nil {
		r.Values = nil
		err = json.Unmarshal(text, &r.Values)
	}
	if err != nil {
		return r, invalid("Values", "are no JSON object")
	}
	return r, nil
}

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
	wanted, err := wanted.checked()
	if err != nil {
		return nil, err
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
