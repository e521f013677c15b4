package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// obstacle is something that is not the environment's and would stop its removal half-way.
type obstacle struct {
	// what names it, and why says what it stops.
	what, why string
	// remedy is the command that takes it away, empty where there are several ways.
	remedy string
}

// refuse says what is in the way, all of it at once, nil if nothing is.
func refuse(obstacles []obstacle) error {
	if len(obstacles) == 0 {
		return nil
	}
	slices.SortStableFunc(obstacles, func(a, b obstacle) int { return strings.Compare(a.why, b.why) })
	var text, remedies []string
	for i, o := range obstacles {
		if i == 0 || o.why != obstacles[i-1].why {
			text = append(text, o.why+": "+o.what)
		} else {
			text[len(text)-1] += ", " + o.what
		}
		if o.remedy != "" {
			remedies = append(remedies, o.remedy)
		}
	}
	next := "remove it, or move it elsewhere"
	if len(remedies) > 0 {
		next += " (" + strings.Join(remedies, "; ") + ")"
	}
	return fault.New(fault.Conflict, "what is not the environment's would stop its removal half-way. %s", strings.Join(text, ". ")).
		WithNext("%s, then start the same delete again; nothing was removed so far", next)
}

// obstacles finds all of them: what protects the cluster, capacity of it that is not the environment's, and
// what others have put into its VPC or attached to its roles.
func (i inventory) obstacles(ctx context.Context, t *target.Target, holds holdings) ([]obstacle, error) {
	clusters, roles := eks.NewFromConfig(t.Config), iam.NewFromConfig(t.Config)
	var all []obstacle
	for _, look := range []func() ([]obstacle, error){
		func() ([]obstacle, error) { return i.protection(ctx, clusters) },
		func() ([]obstacle, error) { return i.otherCapacity(ctx, clusters, holds) },
		func() ([]obstacle, error) { return i.othersInVPC(ctx, holds) },
		func() ([]obstacle, error) { return holdOnRoles(ctx, roles, t.Stacks, holds) },
	} {
		found, err := look()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// settled answers once the cluster is at rest. One that no stack of the environment holds is refused: it is
// somebody else's, or the environment's own whose stack was deleted without it, and either way everything
// that is found by its name would be taken from under a cluster that lives.
//
// EKS deletes no cluster that it is updating, which it also does of its own accord (aws-traps.md, row 1.7).
func (i inventory) settled(ctx context.Context, api clusterAPI, holds holdings) error {
	name := i.names.Cluster
	cluster, err := clusterOf(ctx, api, name)
	if err != nil || cluster == nil {
		return err
	}
	status := cluster.Status
	held := slices.Contains(holds.ids("AWS::EKS::Cluster"), name)
	switch {
	case status == types.ClusterStatusCreating, status == types.ClusterStatusUpdating, status == types.ClusterStatusDeleting && !held:
		return fault.New(fault.InProgress, "cluster %s is %s; the deletion begins when that has ended", name, status)
	case !held:
		return fault.New(fault.Conflict, "cluster %s is there, and no stack of environment %s holds it: it is somebody else's, or its stack was deleted without it",
			name, i.names.Environment).WithNext("compare prefix, name, account and region of the request; if the cluster was the environment's, delete it "+
			"(aws eks delete-cluster --name %s), then start the same delete again; nothing was removed so far", name)
	}
	return nil
}

// protection finds the cluster's protection from deletion: no template asks for it, so somebody has
// switched it on, and it is theirs to switch off (aws-traps.md, row 1.16).
func (i inventory) protection(ctx context.Context, api clusterAPI) ([]obstacle, error) {
	cluster, err := clusterOf(ctx, api, i.names.Cluster)
	if err != nil || cluster == nil || !aws.ToBool(cluster.DeletionProtection) {
		return nil, err
	}
	return []obstacle{{
		what: "the deletion protection of " + i.names.Cluster, why: "EKS deletes no cluster that is protected, and somebody has switched on",
		remedy: "aws eks update-cluster-config --name " + i.names.Cluster + " --no-deletion-protection",
	}}, nil
}

// capacityAPI tells of a cluster's capacity.
type capacityAPI interface {
	ListNodegroups(context.Context, *eks.ListNodegroupsInput, ...func(*eks.Options)) (*eks.ListNodegroupsOutput, error)
	ListFargateProfiles(context.Context, *eks.ListFargateProfilesInput, ...func(*eks.Options)) (*eks.ListFargateProfilesOutput, error)
}

// otherCapacity finds node groups and profiles that no stack of the environment holds: EKS deletes no
// cluster that has any (aws-traps.md, row 6.6).
func (i inventory) otherCapacity(ctx context.Context, api capacityAPI, holds holdings) ([]obstacle, error) {
	var foreign []obstacle
	cluster := i.names.Cluster
	add := func(kind, command, option string, names, ours []string) {
		for _, name := range names {
			if !slices.ContainsFunc(ours, func(id string) bool { return nameOf(id) == name }) {
				foreign = append(foreign, obstacle{
					what: kind + " " + name, why: "EKS deletes no cluster that has node groups or Fargate profiles, and " + cluster + " has others",
					remedy: fmt.Sprintf("aws eks %s --cluster-name %s %s %s", command, cluster, option, name),
				})
			}
		}
	}
	for page := eks.NewListNodegroupsPaginator(api, &eks.ListNodegroupsInput{ClusterName: &cluster}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.ClusterMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the node groups of %s", cluster)
		}
		add("node group", "delete-nodegroup", "--nodegroup-name", out.Nodegroups, holds.ids("AWS::EKS::Nodegroup"))
	}
	for page := eks.NewListFargateProfilesPaginator(api, &eks.ListFargateProfilesInput{ClusterName: &cluster}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if awsfault.ClusterMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, account.Classify(err, "list the Fargate profiles of %s", cluster)
		}
		add("Fargate profile", "delete-fargate-profile", "--fargate-profile-name", out.FargateProfileNames, holds.ids("AWS::EKS::FargateProfile"))
	}
	return foreign, nil
}

// nameOf is the name in what Ref gives of a node group, "cluster/name", or a Fargate profile, "cluster|name".
func nameOf(id string) string { return id[strings.LastIndexAny(id, "/|")+1:] }
