package teardown

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// volumeTags are the tags by which the EBS CSI driver says whose a volume is: the first when it is
// started with --k8s-tag-cluster-id, as EKS' own add-on is, the second since 2026
// (https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md). The environment
// role may delete volumes with one of these; a policy cannot ask for a tag whose key has the
// cluster's name in it.
var volumeTags = []string{"KubernetesCluster", "ebs.csi.aws.com/cluster-name"}

// volumes finds those of the cluster's PersistentVolumes. All of them are data, so only those are
// removed of which Kubernetes has said that they may be (see [Drain] and [keeper]).
func (n network) volumes(ctx context.Context) ([]item, error) {
	var items []item
	for _, key := range volumeTags {
		found, err := n.volumesBy(ctx, tag(key, n.cluster))
		if err != nil {
			return nil, err
		}
		for _, v := range found {
			id := aws.ToString(v.VolumeId)
			what := volumeText(id)
			if vpc.TagsOf(v.Tags)[key] != n.cluster || slices.ContainsFunc(items, func(i item) bool { return i.what == what }) {
				continue
			}
			items = append(items, item{what: what, remove: func(ctx context.Context) error {
				_, err := n.api.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &id})
				return err
			}})
		}
	}
	return items, nil
}

func volumeText(id string) string { return "volume " + id }

func (n network) volumesBy(ctx context.Context, filters ...types.Filter) ([]types.Volume, error) {
	var found []types.Volume
	for page := ec2.NewDescribeVolumesPaginator(n.api, &ec2.DescribeVolumesInput{Filters: filters}); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, account.Classify(err, "list the volumes of cluster %s", n.cluster)
		}
		found = append(found, out.Volumes...)
	}
	return found, nil
}

// valuesAtOnce is how many values the filters of one call of EC2 have together: with more it answers
// FilterLimitExceeded.
const valuesAtOnce = 200

// volumesWith finds the volumes with the ids. It asks with filters, because a list of ids that has an unknown
// one is refused as a whole.
func (n network) volumesWith(ctx context.Context, ids []string) ([]types.Volume, error) {
	var all []types.Volume
	for some := range slices.Chunk(ids, valuesAtOnce) {
		found, err := n.volumesBy(ctx, types.Filter{Name: aws.String("volume-id"), Values: some})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// unclaimed reports the volumes that are the cluster's by what Kubernetes or a tag says, and that do
// not carry the tags by which they could be removed.
func (n network) unclaimed(ctx context.Context, drain *environment.Drain) ([]environment.Leftover, error) {
	kept := volumesToKeep(drain).kept
	tagged := "kubernetes.io/cluster/" + n.cluster
	byTag, err := n.volumesBy(ctx, tag(tagged, "owned"))
	if err != nil {
		return nil, err
	}
	why := map[string]string{}
	for _, v := range byTag {
		if vpc.TagsOf(v.Tags)[tagged] == "owned" {
			why[aws.ToString(v.VolumeId)] = "its tag " + tagged + " says that it was the cluster's, but not which program has made it"
		}
	}
	if drain != nil && len(drain.Volumes) > 0 {
		names := map[string]string{}
		for _, v := range drain.Volumes {
			names[v.VolumeID] = v.Name
		}
		byID, err := n.volumesWith(ctx, slices.Sorted(maps.Keys(names)))
		if err != nil {
			return nil, err
		}
		for _, v := range byID {
			if name, ours := names[aws.ToString(v.VolumeId)]; ours {
				why[aws.ToString(v.VolumeId)] = "PersistentVolume " + name + " was deleted, and the volume's driver did not delete it; no tag of it names the cluster"
			}
		}
		byTag = append(byTag, byID...)
	}
	var left []environment.Leftover
	for _, v := range byTag {
		id := aws.ToString(v.VolumeId)
		tags := vpc.TagsOf(v.Tags)
		removable := slices.ContainsFunc(volumeTags, func(key string) bool { return tags[key] == n.cluster })
		what := volumeText(id)
		if why[id] == "" || removable || slices.Contains(kept, what) || slices.ContainsFunc(left, func(l environment.Leftover) bool { return l.What == what }) {
			continue
		}
		left = append(left, environment.Leftover{What: what, Why: why[id] + unneeded(what)})
	}
	return left, nil
}

// unneeded says how a person removes a volume, by what [volumeText] calls it.
func unneeded(what string) string {
	return "; if nobody needs it: aws ec2 delete-volume --volume-id " + strings.TrimPrefix(what, volumeText(""))
}

// keeper holds back volumes that may hold data which somebody wants: all but those that a driver has
// made for a PersistentVolume which says Delete. A tag says whose a volume is, not whether it may go: that
// of a PersistentVolume with Retain, in whatever form, has the same tags, and keeps them when somebody
// deletes the PersistentVolume.
type keeper struct {
	// noted are the volumes that Kubernetes was told to delete, and kept those that it was told to keep.
	noted, kept []string
	reached     bool
	orphaned    []environment.Leftover
}

func volumesToKeep(d *environment.Drain) *keeper {
	k := &keeper{}
	if d == nil {
		return k
	}
	k.reached = d.Reached
	for _, l := range d.Kept {
		k.kept = append(k.kept, l.What)
	}
	for _, v := range d.Volumes {
		k.noted = append(k.noted, volumeText(v.VolumeID))
	}
	return k
}

// allowed finds what may be removed, and reports the rest but for what is kept.
func (k *keeper) allowed(find finder) finder {
	return func(ctx context.Context) ([]item, error) {
		items, err := find(ctx)
		k.orphaned = nil
		var may []item
		for _, i := range items {
			switch {
			case slices.Contains(k.kept, i.what):
			case !k.reached:
				k.orphan(i.what, "the cluster could not be asked whether it is to be kept")
			case slices.Contains(k.noted, i.what):
				may = append(may, i)
			default:
				k.orphan(i.what, "its tags say that it was the cluster's, but Kubernetes was not told to delete it, so it may hold data that somebody wants")
			}
		}
		return may, err
	}
}

func (k *keeper) orphan(what, why string) {
	k.orphaned = append(k.orphaned, environment.Leftover{What: what, Why: why + unneeded(what)})
}
