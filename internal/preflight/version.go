package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/version"
)

// versionAPI is what the stage needs of EKS.
type versionAPI interface {
	DescribeClusterVersions(ctx context.Context, in *eks.DescribeClusterVersionsInput, opts ...func(*eks.Options)) (*eks.DescribeClusterVersionsOutput, error)
	DescribeCluster(ctx context.Context, in *eks.DescribeClusterInput, opts ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

const versionField = "/kubernetesVersion"

// offer is what EKS offers in a region: the versions that change with every quarter and are
// therefore never written down here.
type offer struct {
	region string
	// layers are the versions that the orchestrator has a kubectl for.
	layers []string
	// standard and extended are the minor versions by kind of support, oldest first. Standard holds
	// those with a layer only: the others are unserved.
	standard, extended, unserved []string
	// preferred is EKS' own default.
	preferred string
	// live is the version of the request's cluster, empty where there is none yet.
	live string
}

// readOffer asks EKS for its versions, and for the one of the request's cluster.
func readOffer(ctx context.Context, api versionAPI, r environment.Request, layers []string) (offer, error) {
	o := offer{region: r.Region, layers: layers}
	pages := eks.NewDescribeClusterVersionsPaginator(api, &eks.DescribeClusterVersionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return offer{}, unanswered(err, r)
		}
		for _, v := range page.ClusterVersions {
			o.add(v)
		}
	}
	var err error
	if o.live, err = version.Live(ctx, api, environment.NamesOf(r).Cluster); err != nil {
		return offer{}, err
	}
	// All are "1.nn", so their order as text is their order.
	slices.Sort(o.standard)
	slices.Sort(o.extended)
	if o.live != "" {
		return o, nil
	}
	if len(o.standard) == 0 && len(o.unserved) > 0 {
		return offer{}, fault.New(fault.PreflightFailed, "EKS supports Kubernetes %s, and this orchestrator has a kubectl for %s only; nothing was created", strings.Join(o.unserved, ", "), strings.Join(layers, ", ")).
			WithField(versionField).WithNext("deploy a newer orchestrator")
	}
	if len(o.standard) == 0 {
		return offer{}, fault.New(fault.PreflightFailed, "EKS names no Kubernetes version in standard support in %s of account %s; nothing was created", r.Region, r.AccountID).
			WithField("/awsRegion").WithNext("check that the region is enabled in the account")
	}
	return o, nil
}

// unanswered explains why EKS did not name its versions. Credentials that were good for STS a moment
// ago and are unknown to EKS mean that the account has not enabled the region.
func unanswered(err error, r environment.Request) error {
	if slices.Contains([]string{"UnrecognizedClientException", "InvalidClientTokenId"}, awsfault.NameOf(err)) {
		return fault.Wrap(fault.PreflightFailed, err, "account %s cannot use the region %s; nothing was created", r.AccountID, r.Region).
			WithField("/awsRegion").WithNext("enable the region in the account, or choose another")
	}
	return account.Classify(err, "read the Kubernetes versions that EKS offers in %s of account %s", r.Region, r.AccountID)
}

func (o *offer) add(v types.ClusterVersionInformation) {
	minor := aws.ToString(v.ClusterVersion)
	switch v.VersionStatus {
	case types.VersionStatusStandardSupport:
		if !slices.Contains(o.layers, minor) {
			o.unserved = append(o.unserved, minor)
			return
		}
		o.standard = append(o.standard, minor)
		if v.DefaultVersion {
			o.preferred = minor
		}
	case types.VersionStatusExtendedSupport:
		o.extended = append(o.extended, minor)
	}
}

// choose returns the version for r, which is asked with its defaults, and what there is to say about
// it. A version that nobody asked for gives way to EKS' default when EKS has left it behind; one that
// was asked for does not.
func (o offer) choose(asked, r environment.Request) (string, []finding.Finding) {
	if o.live != "" {
		return o.chooseFrom(asked.KubernetesVersion)
	}
	wanted := r.KubernetesVersion
	if slices.Contains(o.standard, wanted) {
		return wanted, nil
	}
	if asked.KubernetesVersion != "" {
		return wanted, []finding.Finding{o.refusal(wanted).Finding()}
	}
	instead := o.preferred
	if instead == "" {
		instead = o.standard[len(o.standard)-1]
	}
	return instead, []finding.Finding{
		finding.Warningf("OtherVersion", versionField, "EKS does not offer the default %s in %s; %s is used", wanted, o.region, instead).
			WithNext("nothing, or send the version that is wanted"),
	}
}

// chooseFrom returns the version for a cluster that runs already. It is upgraded only if that is
// asked for, and left alone whatever support EKS gives its version.
func (o offer) chooseFrom(asked string) (string, []finding.Finding) {
	if asked == "" {
		asked = o.live
	}
	wanted, err := version.Target(asked, o.live)
	switch {
	case err != nil:
		return asked, findingsOf([]environment.Violation{{
			Pointer: versionField,
			Given:   fmt.Sprintf("%q", asked),
			Allowed: fmt.Sprintf("the version that the cluster runs, %s, or the one after it", o.live),
			Hint:    fault.As(err).Next,
		}})
	case wanted == o.live && !slices.Contains(o.layers, wanted):
		return wanted, findingsOf([]environment.Violation{{
			Pointer: versionField,
			Given:   fmt.Sprintf("a cluster that runs %s", wanted),
			Allowed: "the versions that the orchestrator has a kubectl for: " + strings.Join(o.layers, ", "),
			Hint:    "deploy an orchestrator with a layer for this version",
		}})
	case wanted != o.live && !slices.Contains(o.standard, wanted):
		return wanted, []finding.Finding{o.refusal(wanted).Finding()}
	case wanted != asked:
		// EKS takes a cluster back within seven days of an upgrade, and never its nodes (aws-traps.md, row 8.4).
		return wanted, findingsOf([]environment.Violation{{
			Pointer: versionField,
			Given:   fmt.Sprintf("%q", asked),
			Allowed: fmt.Sprintf("the version that the cluster runs, %s, or the one after it", o.live),
			Hint:    fmt.Sprintf("ask for %s, or leave the field out, which keeps the version: a cluster is not taken back to an earlier one. If nobody asked for %s, EKS has upgraded the cluster at the end of %s's support", o.live, o.live, asked),
		}})
	}
	return wanted, nil
}

// refusal is the violation of a version that EKS or the orchestrator does not have.
func (o offer) refusal(wanted string) environment.Violation {
	v := environment.Violation{
		Pointer: versionField,
		Given:   fmt.Sprintf("%q", wanted),
		Allowed: fmt.Sprintf("the versions in EKS' standard support in %s: %s", o.region, strings.Join(o.standard, ", ")),
	}
	if slices.Contains(o.unserved, wanted) {
		v.Allowed += ", as far as the orchestrator has a kubectl for them"
		v.Hint = "deploy an orchestrator with a layer for this version"
	}
	if slices.Contains(o.extended, wanted) {
		v.Hint = "this one is in extended support, which the provider does not set up"
	}
	return v
}
