package capacity

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

type reader interface {
	ListNodegroups(ctx context.Context, in *eks.ListNodegroupsInput, opts ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error)
	DescribeNodegroup(ctx context.Context, in *eks.DescribeNodegroupInput, opts ...func(*eks.Options)) (*eks.DescribeNodegroupOutput, error)
	ListFargateProfiles(ctx context.Context, in *eks.ListFargateProfilesInput, opts ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error)
	DescribeFargateProfile(ctx context.Context, in *eks.DescribeFargateProfileInput, opts ...func(*eks.Options)) (*eks.DescribeFargateProfileOutput, error)
}

// desiredSize is how many nodes the group is to have: as requested at the start, and afterwards as
// many as it has, within the requested bounds, because the number is the autoscaler's then
// (aws-traps.md, row 1.29). name is the live group's, "" where there is none, and last the number that its
// stack was given last: it counts while EKS replaces nodes, for which the group has more of them than it
// is to keep.
func desiredSize(ctx context.Context, api reader, st environment.State, name, last string) (int, error) {
	r := st.Request
	if name == "" {
		return r.NodeGroupDesiredSize, nil
	}
	out, err := api.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &st.Names.Cluster, NodegroupName: &name})
	switch {
	case awsfault.Gone(err):
		return r.NodeGroupDesiredSize, nil
	case err != nil:
		return 0, account.Classify(err, "describe node group %s", name)
	case out.Nodegroup.ScalingConfig == nil:
		return r.NodeGroupDesiredSize, nil
	}
	live := int(aws.ToInt32(out.Nodegroup.ScalingConfig.DesiredSize))
	if given, err := strconv.Atoi(last); err == nil && out.Nodegroup.Status == types.NodegroupStatusUpdating {
		live = given
	}
	return min(max(live, r.NodeGroupMinSize), r.NodeGroupMaxSize), nil
}

// issue is what EKS has against a node group or Fargate profile.
type issue struct {
	of, code, message string
	resources         []string
}

func (i issue) String() string {
	text := fmt.Sprintf("%s reports %s: %s", i.of, i.code, i.message)
	if len(i.resources) > 0 {
		text += " (" + strings.Join(i.resources, ", ") + ")"
	}
	return text
}

// whyNodesDoNotJoin are the causes behind EKS' one message for all of them, in the order in which to
// look at them (aws-traps.md, rows 5.16 and 5.17).
const whyNodesDoNotJoin = "nodes did not join; look in this order whether they reach ECR, S3, STS, EC2 and the Kubernetes API " +
	"(NAT gateway, endpoints and their security group), whether STS' regional endpoint is active, whether the VPC's DHCP options have a domain name, " +
	"at the node role's policies and its access entry; then start the same request again"

// explain adds to a fault of the stack what EKS says about the cluster's capacity: the reasons are
// in the health of the group or profile, and not always in the stack's events (aws-traps.md, row 5.18).
// It looks while the stack moves, too, because a create that fails takes the group with it.
func explain(ctx context.Context, api reader, cluster string, err error) error {
	f := fault.As(err)
	if f.Code != fault.InProgress && f.Code.Retried() {
		return err
	}
	explained := *f
	joined := strings.Contains(f.Message, "NodeCreationFailure") || strings.Contains(f.Message, "failed to join")
	for _, i := range append(nodeGroupIssues(ctx, api, cluster), fargateIssues(ctx, api, cluster)...) {
		explained.Message += "; " + i.String()
		joined = joined || i.code == string(types.NodegroupIssueCodeNodeCreationFailure)
		if f.Code == fault.Failed && i.code == string(types.NodegroupIssueCodeInstanceLimitExceeded) {
			explained.Code = fault.QuotaExceeded
			explained.Next = "raise the EC2 quota for this kind of instance, or ask for fewer or smaller nodes, then start the same request again"
		}
	}
	if joined && explained.Code == fault.Failed {
		explained.Next = whyNodesDoNotJoin
	}
	return &explained
}

// nodeGroupIssues lists the issues of the cluster's node groups. A group that EKS says nothing about
// has none: they would only have added to a fault.
func nodeGroupIssues(ctx context.Context, api reader, cluster string) []issue {
	groups, err := api.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &cluster})
	if err != nil {
		return nil
	}
	var all []issue
	for _, name := range groups.Nodegroups {
		out, err := api.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
		if err != nil || out.Nodegroup.Health == nil {
			continue
		}
		for _, i := range out.Nodegroup.Health.Issues {
			all = append(all, issue{"node group " + name, string(i.Code), aws.ToString(i.Message), i.ResourceIds})
		}
	}
	return all
}

// fargateIssues lists the issues of the cluster's Fargate profiles, likewise.
func fargateIssues(ctx context.Context, api reader, cluster string) []issue {
	profiles, err := api.ListFargateProfiles(ctx, &eks.ListFargateProfilesInput{ClusterName: &cluster})
	if err != nil {
		return nil
	}
	var all []issue
	for _, name := range profiles.FargateProfileNames {
		out, err := api.DescribeFargateProfile(ctx, &eks.DescribeFargateProfileInput{ClusterName: &cluster, FargateProfileName: &name})
		if err != nil || out.FargateProfile.Health == nil {
			continue
		}
		for _, i := range out.FargateProfile.Health.Issues {
			all = append(all, issue{"Fargate profile " + name, string(i.Code), aws.ToString(i.Message), i.ResourceIds})
		}
	}
	return all
}
