// Package version decides which Kubernetes version a cluster is to run, by what is asked and what
// runs already.
package version

import (
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

type describer interface {
	DescribeCluster(ctx context.Context, in *eks.DescribeClusterInput, opts ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

// Live returns the Kubernetes version that the cluster called name runs, and "" if there is no such
// cluster.
func Live(ctx context.Context, api describer, name string) (string, error) {
	out, err := api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if awsfault.ClusterMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", account.Classify(err, "describe cluster %s", name)
	}
	return aws.ToString(out.Cluster.Version), nil
}

// Target is the higher of the requested and the live version. EKS upgrades clusters on its own at
// the end of support, and since version rollback exists a lower version in a stack update may
// really downgrade the control plane (aws-traps.md, row 1.9).
func Target(requested, live string) (string, error) {
	if live == "" {
		return requested, nil
	}
	want, err := minor(requested)
	if err != nil {
		return "", err
	}
	have, err := minor(live)
	if err != nil {
		return "", err
	}
	if want > have+1 {
		return "", fault.New(fault.InvalidRequest, "the cluster runs Kubernetes %s, and EKS upgrades one minor version at a time: %s is %d away", live, requested, want-have).
			WithField("/kubernetesVersion").WithNext("ask for 1.%d first", have+1)
	}
	if want < have {
		return live, nil
	}
	return requested, nil
}

func minor(version string) (int, error) {
	text, ok := strings.CutPrefix(version, "1.")
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		return 0, fault.New(fault.InvalidRequest, "%q is not a Kubernetes minor version such as \"1.36\"", version).WithField("/kubernetesVersion")
	}
	return n, nil
}
