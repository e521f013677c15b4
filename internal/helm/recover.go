package helm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// longest is the longest that an operation by a function like this one can take: Lambda's limit.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	longest = 15 * time.Minute
	// skew is how far two clocks may be apart.
	skew = 30 * time.Second

	// chartLabel is the label of a release with the digest of the chart it was made from.
	chartLabel = "environment-provider/chart"
	// ownerLabel is the label of a release with who made it, and when that one was dead at the latest.
	ownerLabel = "environment-provider/owner"
)

// owner is this request as the one that made a revision: its deadline and a random name, so that the
// revision's lock can be told to be abandoned as soon as it is. It is empty without a deadline.
type owner string

func newOwner(ctx context.Context) owner {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ""
	}
	return owner(fmt.Sprintf("%d.%s", deadline.Unix(), rand.Text()[:12]))
}

// labels returns the labels of a revision. Helm hands a revision's labels on to the next one,
// whoever makes that, so the digest says of which revision it is.
func (w owner) labels(digest string, revision int) map[string]string {
	labels := map[string]string{chartLabel: mark(digest, revision)}
	if w != "" {
		labels[ownerLabel] = string(w)
	}
	return labels
}

func mark(digest string, revision int) string { return digest + "." + strconv.Itoa(revision) }

// marked reports whether a revision was made from a chart of that digest, by itself or as a rollback.
func marked(revision *helmrelease.Release, digest string) bool {
	label := revision.Labels[chartLabel]
	if label == mark(digest, revision.Version) {
		return true
	}
	var origin int
	if _, err := fmt.Sscanf(revision.Info.Description, "Rollback to %d", &origin); err != nil {
		return false
	}
	return label == mark(digest, origin)
}

// settled begins an attempt: it reads the newest revision, nil when there is none, and recovers the
// release when an operation was cut off and left it locked.
//
// A cut-off installation is uninstalled, a cut-off uninstallation is finished, and a cut-off upgrade
// or rollback is rolled back to what was deployed before.
func (o *operation) settled(ctx context.Context) (*helmrelease.Release, error) {
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	last, err := o.last(ctx)
	if err != nil || last == nil {
		return nil, err
	}
	status := last.Info.Status
	if !status.IsPending() && status != helmrelease.StatusUninstalling {
		return last, nil
	}
	if until, dead := o.abandoned(last); !dead {
		return nil, fault.New(fault.InProgress, "%s: another operation is in progress, its status is %s", o.wanted, status).
			WithNext("If nothing works on it any more, it is recovered by the next request after %s.", until.UTC().Format(time.RFC3339))
	}
	switch status {
	case helmrelease.StatusPendingInstall, helmrelease.StatusUninstalling:
		err = o.remove(status == helmrelease.StatusPendingInstall)
	default:
		err = o.rollBack(last)
	}
	if err != nil {
		return nil, classify(err, o.wanted.String()+": recover it from the status "+string(status))
	}
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	return o.last(ctx)
}

// abandoned reports whether nobody can be working on a locked revision any more, and from when on
// that will be certain.
func (o *operation) abandoned(locked *helmrelease.Release) (time.Time, bool) {
	since := locked.Info.LastDeployed.Time
	if locked.Info.Status == helmrelease.StatusUninstalling {
		since = locked.Info.Deleted.Time
	}
	until := since.Add(longest + skew)
	label := locked.Labels[ownerLabel]
	if label != "" && label == string(o.owner) {
		return until, true
	}
	seconds, _, _ := strings.Cut(label, ".")
	// A rollback and an uninstallation have the label of the revision they were made from.
	if unix, err := strconv.ParseInt(seconds, 10, 64); err == nil &&
		(locked.Info.Status == helmrelease.StatusPendingInstall || locked.Info.Status == helmrelease.StatusPendingUpgrade) {
		if deadline := time.Unix(unix, 0).Add(skew); deadline.After(since) && deadline.Before(until) {
			until = deadline
		}
	}
	return until, o.options.Now().After(until)
}

// remove uninstalls what a cut-off operation left. The hooks of what was never installed may wait
// for something that never was, so they are left out.
func (o *operation) remove(withoutHooks bool) error {
	run := action.NewUninstall(o.config)
	run.Wait = true
	run.Timeout = o.timeout
	run.DisableHooks = withoutHooks
	_, err := run.Run(o.wanted.Name)
	if err != nil {
		err = errors.Join(append([]error{err}, o.journal.kept()...)...)
	}
	return err
}

// rollBack rolls a cut-off upgrade back. With nothing to go back to, the release counts as failed,
// which Helm upgrades from.
func (o *operation) rollBack(locked *helmrelease.Release) error {
	locked.SetStatus(helmrelease.StatusFailed, "The operation was cut off")
	if err := o.config.Releases.Update(locked); err != nil {
		return err
	}
	deployed, err := o.config.Releases.Deployed(o.wanted.Name)
	if errors.Is(err, driver.ErrNoDeployedReleases) {
		return nil
	}
	if err != nil {
		return err
	}
	run := action.NewRollback(o.config)
	run.Version = deployed.Version
	run.Timeout = o.timeout
	run.MaxHistory = history
	return run.Run(o.wanted.Name)
}
