package teardown

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

const (
	ebsDriver = "ebs.csi.aws.com"
	// ebsInTree is the provisioner of StorageClass gp2, whose volumes the driver has made since Kubernetes
	// 1.23: https://kubernetes.io/docs/concepts/storage/volumes/#aws-ebs-csi-migration
	ebsInTree = "kubernetes.io/aws-ebs"
)

// object is what is read of an object in the cluster, and all that is asked for.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name              string   `json:"name"`
		Namespace         string   `json:"namespace"`
		DeletionTimestamp string   `json:"deletionTimestamp"`
		Finalizers        []string `json:"finalizers"`
		Annotations       struct {
			// Provisioner is the program that has made a volume for a claim.
			Provisioner string `json:"pv.kubernetes.io/provisioned-by"`
		} `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Type string `json:"type"`
		// The next four are a PersistentVolume's.
		ClaimRef                      *struct{} `json:"claimRef"`
		PersistentVolumeReclaimPolicy string    `json:"persistentVolumeReclaimPolicy"`
		CSI                           struct {
			VolumeHandle string `json:"volumeHandle"`
		} `json:"csi"`
		EBS struct {
			VolumeID string `json:"volumeID"`
		} `json:"awsElasticBlockStore"`
		// Volumes are a pod's.
		Volumes []struct {
			Claim *struct{} `json:"persistentVolumeClaim"`
		} `json:"volumes"`
	} `json:"spec"`
}

func (o object) String() string {
	return fmt.Sprintf("%s %s/%s", o.Kind, o.Metadata.Namespace, o.Metadata.Name)
}

// volume is the id of what a PersistentVolume stands for. The older form has the zone before it where
// Kubernetes has made it, as in "aws://us-east-1a/vol-1".
func (o object) volume() string {
	if o.Spec.CSI.VolumeHandle != "" {
		return o.Spec.CSI.VolumeHandle
	}
	return o.Spec.EBS.VolumeID[strings.LastIndex(o.Spec.EBS.VolumeID, "/")+1:]
}

// provisionedBy reports whether one of the drivers has made the volume, and is to delete it.
func (o object) provisionedBy(drivers ...string) bool {
	return o.Spec.PersistentVolumeReclaimPolicy == "Delete" && slices.Contains(drivers, o.Metadata.Annotations.Provisioner)
}

// mounts reports whether a pod uses a claim.
func (o object) mounts() bool {
	for _, v := range o.Spec.Volumes {
		if v.Claim != nil {
			return true
		}
	}
	return false
}

func decode(items []client.Object) ([]object, error) {
	objects := make([]object, 0, len(items))
	for _, item := range items {
		o, err := client.Decode[object](item)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}
