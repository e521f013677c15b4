package preflight

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// soon is how long before the end of a version's support it is time to plan the upgrade.
const soon = 60 * 24 * time.Hour

// supportEnd warns of a version whose standard support ends soon or has ended
// (https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html).
func supportEnd(ctx context.Context, s subject) ([]finding.Finding, error) {
	pages := eks.NewDescribeClusterVersionsPaginator(eks.NewFromConfig(s.config), &eks.DescribeClusterVersionsInput{
		ClusterVersions: []string{s.request.KubernetesVersion},
	})
	var all []finding.Finding
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.ClusterVersions {
			all = append(all, ending(v, s, time.Now())...)
		}
	}
	return all, nil
}

func ending(v types.ClusterVersionInformation, s subject, now time.Time) []finding.Finding {
	minor, end := aws.ToString(v.ClusterVersion), v.EndOfStandardSupportDate
	if minor != s.request.KubernetesVersion || end == nil || end.After(now.Add(soon)) {
		return nil
	}
	verb := "ends"
	if end.Before(now) {
		verb = "ended"
	}
	return []finding.Finding{finding.Warningf("SupportEnds", versionField, "EKS' standard support of Kubernetes %s %s on %s; after it a cluster costs more, or is upgraded by EKS itself", minor, verb, end.UTC().Format(time.DateOnly)).
		WithNext("ask for the version after it")}
}
