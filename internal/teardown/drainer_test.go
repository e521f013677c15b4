package teardown

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

// api is a cluster with these objects by resource. One with finalizers stays when it is deleted.
type api struct {
	objects map[string][]client.Object
	deleted []string
	err     error
	// deny is the answer to the deletion of an object, by name.
	deny map[string]error
}

func (a *api) ListAll(_ context.Context, kind string, _ client.Fields) ([]client.Object, error) {
	return slices.Clone(a.objects[kind]), a.err
}

func (a *api) List(_ context.Context, kind, namespace string, _ client.Fields) ([]client.Object, error) {
	return slices.DeleteFunc(slices.Clone(a.objects[kind]), func(o client.Object) bool { return metadata(o)["namespace"] != namespace }), a.err
}

func (a *api) Mark(_ context.Context, objects ...client.Object) error {
	var denied error
	for _, o := range objects {
		if err := a.deny[fmt.Sprint(metadata(o)["name"])]; err != nil {
			denied = err // as the function does, the others are deleted all the same
			continue
		}
		name := fmt.Sprintf("%s %s/%s", o["kind"], metadata(o)["namespace"], metadata(o)["name"])
		a.deleted = append(a.deleted, name)
		for kind, all := range a.objects {
			a.objects[kind] = slices.DeleteFunc(all, func(live client.Object) bool {
				same := live["kind"] == o["kind"] && metadata(live)["name"] == metadata(o)["name"]
				if same && metadata(live)["finalizers"] != nil {
					metadata(live)["deletionTimestamp"] = "2026-11-22T10:00:00Z"
					return false
				}
				return same
			})
		}
	}
	return denied
}

func metadata(o client.Object) map[string]any {
	m, _ := o["metadata"].(map[string]any)
	return m
}

// object makes an object "Kind namespace/name".
func objectOf(text string, spec map[string]any, finalizers ...any) client.Object {
	kind, rest, _ := strings.Cut(text, " ")
	namespace, name, _ := strings.Cut(rest, "/")
	m := map[string]any{"name": name, "namespace": namespace}
	if len(finalizers) > 0 {
		m["finalizers"] = finalizers
	}
	return client.Object{"apiVersion": "v1", "kind": kind, "metadata": m, "spec": spec}
}

// provisioned makes a volume that the EBS CSI driver has made.
func provisioned(text string, spec map[string]any) client.Object {
	return provisionedBy("ebs.csi.aws.com", text, spec)
}

func provisionedBy(driver, text string, spec map[string]any) client.Object {
	o := objectOf(text, spec)
	metadata(o)["annotations"] = map[string]any{"pv.kubernetes.io/provisioned-by": driver}
	return o
}

// What does not go within the patience goes with the cluster, by name; a cluster that does not answer
// was not looked into.
func TestAttempt(t *testing.T) {
	stuck := map[string][]client.Object{"ingresses.networking.k8s.io": {objectOf("Ingress shop/web", nil, "ingress.k8s.aws/resources"), objectOf("Ingress shop/free", nil)}}
	web := waiting{text: "Ingress shop/web", finalizers: "ingress.k8s.aws/resources"}
	denied := waiting{text: "Ingress shop/denied", refused: true}
	several := map[string][]client.Object{
		"ingresses.networking.k8s.io": {objectOf("Ingress shop/denied", nil), objectOf("Ingress shop/free", nil)},
		"persistentvolumeclaims":      {objectOf("PersistentVolumeClaim shop/data", nil)},
	}
	both := map[string][]client.Object{"ingresses.networking.k8s.io": append(stuck["ingresses.networking.k8s.io"], objectOf("Ingress shop/denied", nil))}
	rest := []string{"Ingress shop/free", "PersistentVolumeClaim shop/data"}
	forbidden := fault.New(fault.AccessDenied, "delete Ingress shop/denied: admission webhook denied the request")
	tooLarge := fault.New(fault.InvalidRequest, "list pods: there are more than 50000")
	tooLarge.Err = client.ErrTooLarge
	cases := map[string]struct {
		reason  string
		objects map[string][]client.Object
		err     error
		deny    error
		late    bool
		code    fault.Code
		why     string
		left    []waiting
		gone    []string
	}{
		"Waits":       {reason: "time may cure it", objects: stuck, code: fault.InProgress, left: []waiting{web}, gone: []string{"Ingress shop/free"}},
		"Late":        {reason: "named, and what went is not", objects: stuck, late: true, left: []waiting{web}, gone: []string{"Ingress shop/free"}},
		"Unreachable": {reason: "the API has no answer yet", err: fault.New(fault.Transient, "no answer"), code: fault.InProgress},
		"Never":       {reason: "and has none", err: fault.New(fault.Transient, "no answer"), late: true, why: "no answer"},
		"Refused":     {reason: "no time cures it", err: fault.New(fault.AccessDenied, "forbidden"), why: "forbidden"},
		"TooLarge":    {reason: "somebody got in: what is not seen is not given up", err: tooLarge, code: fault.Failed},
		"TooLargeYet": {reason: "as above", err: tooLarge, late: true, code: fault.Failed},
		"Denied":      {reason: "the others go, and the cluster stays for a person to look at", objects: several, deny: forbidden, code: fault.AccessDenied, left: []waiting{denied}, gone: rest},
		"DeniedWaits": {reason: "others are still going", objects: both, deny: forbidden, code: fault.InProgress, left: []waiting{web, denied}, gone: rest[:1]},
		"DeniedLate":  {reason: "they have had their time", objects: both, deny: forbidden, late: true, code: fault.AccessDenied, left: []waiting{web, denied}, gone: rest[:1]},
		"Changed":     {reason: "another look may meet nobody", objects: several, deny: fault.New(fault.Conflict, "409"), code: fault.InProgress, left: []waiting{denied}, gone: rest},
		"Changing":    {reason: "it did not", objects: several, deny: fault.New(fault.Conflict, "409"), late: true, code: fault.Conflict, left: []waiting{denied}, gone: rest},
		"Webhook":     {reason: "its pods may come back", objects: several, deny: fault.New(fault.Transient, "failed calling webhook"), code: fault.InProgress, left: []waiting{denied}, gone: rest},
		"WebhookGone": {reason: "they did not, and nobody has decided anything", objects: several, deny: fault.New(fault.Transient, "failed calling webhook"), late: true, left: []waiting{denied}, gone: rest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects := map[string][]client.Object{}
			for kind, all := range tc.objects {
				objects[kind] = slices.Clone(all)
			}
			c := &drainer{api: &api{objects: objects, err: tc.err, deny: map[string]error{"denied": tc.deny}}}
			why, err := c.attempt(t.Context(), tc.late)
			if code := fault.CodeOf(err); code != tc.code || why != tc.why {
				t.Errorf("%s: got %q (%v), why %q", tc.reason, code, err, why)
			}
			f := &fault.Error{}
			if err != nil {
				f = fault.As(err)
			}
			if tc.code == fault.AccessDenied && (!strings.Contains(f.Message, "Ingress shop/denied: admission webhook") || !strings.Contains(f.Next, "start the same delete again")) {
				t.Errorf("%s: says %q, next %q", tc.reason, f.Message, f.Next)
			}
			if tc.err == tooLarge && (!strings.Contains(f.Message, "list pods: there are more") || !strings.Contains(f.Next, "start the same delete again")) {
				t.Errorf("%s: says %q, next %q", tc.reason, f.Message, f.Next)
			}
			if diff := cmp.Diff(tc.left, c.left, cmp.AllowUnexported(waiting{})); diff != "" {
				t.Errorf("%s: left (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.gone, c.gone()); diff != "" {
				t.Errorf("%s: gone (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Of an object everything that is read must be asked for, and little else: a cluster has thousands of pods.
func TestFieldsOfObjects(t *testing.T) {
	want := client.Fields{
		"apiVersion": {}, "kind": {},
		"metadata": {"name": {}, "namespace": {}, "deletionTimestamp": {}, "finalizers": {}, "annotations": {"pv.kubernetes.io/provisioned-by": {}}},
		"spec": {
			"type": {}, "claimRef": {}, "persistentVolumeReclaimPolicy": {}, "csi": {"volumeHandle": {}},
			"awsElasticBlockStore": {"volumeID": {}}, "volumes": {"persistentVolumeClaim": {}},
		},
	}
	if diff := cmp.Diff(want, client.FieldsOf[object]()); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// What drain deletes is known before it begins: between two of its calls much of it goes.
func TestObjects(t *testing.T) {
	type spec = map[string]any
	claim := spec{"volumes": []any{spec{"persistentVolumeClaim": spec{"claimName": "data"}}}}
	objects := map[string][]client.Object{
		"ingresses.networking.k8s.io": {objectOf("Ingress shop/web", nil)},
		"services":                    {objectOf("Service shop/api", spec{"type": "LoadBalancer"}), objectOf("Service shop/db", spec{"type": "ClusterIP"})},
		"persistentvolumeclaims":      {objectOf("PersistentVolumeClaim shop/data", nil)},
		"statefulsets.apps":           {objectOf("StatefulSet shop/db", nil)},
		"pods":                        {objectOf("Pod shop/db-0", claim)},
	}
	seen, drained := &drainer{api: &api{objects: objects}}, &api{objects: objects}
	got, err := seen.objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.removed) != 0 || len(objects["services"]) != 2 {
		t.Errorf("a look has removed %v", seen.removed)
	}
	if err := (&drainer{api: drained}).drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(drained.deleted, got); diff != "" {
		t.Errorf("seen before and deleted then (-deleted +seen):\n%s", diff)
	}
	if _, err := (&drainer{api: &api{err: fault.New(fault.Transient, "no answer")}}).objects(t.Context()); err == nil {
		t.Error("a cluster that does not answer has no objects")
	}
}

func TestDrainCluster(t *testing.T) {
	type spec = map[string]any
	claim := spec{"volumes": []any{spec{"persistentVolumeClaim": spec{"claimName": "data"}}}}
	cases := map[string]struct {
		reason  string
		objects map[string][]client.Object
		deleted []string
		kept    []environment.Leftover
		volumes []environment.PersistentVolume
		code    fault.Code
		message string
	}{
		"Empty": {reason: "a new cluster has nothing to drain", objects: map[string][]client.Object{"services": {objectOf("Service default/kubernetes", spec{"type": "ClusterIP"})}}},
		"Exposed": {
			reason: "Ingresses and Services with a load balancer, wherever they are",
			objects: map[string][]client.Object{
				"ingresses.networking.k8s.io": {objectOf("Ingress shop/web", nil)},
				"services":                    {objectOf("Service shop/api", spec{"type": "LoadBalancer"}), objectOf("Service shop/db", spec{"type": "ClusterIP"})},
			},
			deleted: []string{"Ingress shop/web", "Service shop/api"},
		},
		"Finalizer": {
			reason:  "the controller has not taken the load balancer away yet",
			objects: map[string][]client.Object{"ingresses.networking.k8s.io": {objectOf("Ingress shop/web", nil, "ingress.k8s.aws/resources")}},
			deleted: []string{"Ingress shop/web"}, code: fault.InProgress, message: "Ingress shop/web (finalizers ingress.k8s.aws/resources)",
		},
		"Claims": {
			reason: "a claim stays while a pod mounts it, and a StatefulSet makes both anew",
			objects: map[string][]client.Object{
				"persistentvolumeclaims": {objectOf("PersistentVolumeClaim shop/data", nil)},
				"statefulsets.apps":      {objectOf("StatefulSet shop/db", nil), objectOf("StatefulSet other/db", nil)},
				"pods":                   {objectOf("Pod shop/db-0", claim), objectOf("Pod shop/web", nil), objectOf("Pod other/db-0", claim)},
			},
			deleted: []string{"PersistentVolumeClaim shop/data", "StatefulSet shop/db", "Pod shop/db-0"},
		},
		"Provisioned": {
			reason: "the driver has to live until it has deleted the volume (row 6.12)",
			objects: map[string][]client.Object{"persistentvolumes": {
				provisioned("PersistentVolume /pvc-1", spec{"persistentVolumeReclaimPolicy": "Delete", "claimRef": spec{"name": "data"}, "csi": spec{"volumeHandle": "vol-1"}}),
			}},
			volumes: []environment.PersistentVolume{{Name: "pvc-1", VolumeID: "vol-1"}},
			code:    fault.InProgress, message: "PersistentVolume pvc-1",
		},
		"ByHand": {
			reason: "nobody deletes a volume that no driver has made, nor one that was never claimed",
			objects: map[string][]client.Object{"persistentvolumes": {
				objectOf("PersistentVolume /static", spec{"persistentVolumeReclaimPolicy": "Delete", "claimRef": spec{"name": "data"}, "csi": spec{"volumeHandle": "vol-1"}}),
				provisioned("PersistentVolume /free", spec{"persistentVolumeReclaimPolicy": "Delete", "csi": spec{"volumeHandle": "vol-2"}}),
			}},
			volumes: []environment.PersistentVolume{{Name: "free", VolumeID: "vol-2"}},
		},
		"Retained": {
			reason: "Kubernetes was told to keep the volume",
			objects: map[string][]client.Object{"persistentvolumes": {
				objectOf("PersistentVolume /a", spec{"persistentVolumeReclaimPolicy": "Retain", "csi": spec{"volumeHandle": "vol-a"}}),
				objectOf("PersistentVolume /b", spec{"persistentVolumeReclaimPolicy": "Delete", "csi": spec{"volumeHandle": "vol-b"}}),
			}},
			kept: []environment.Leftover{{What: "volume vol-a", Why: "the reclaim policy of PersistentVolume a is Retain"}},
		},
		"In-tree": {
			reason: "the form of StorageClass gp2, with the zone that Kubernetes writes and without, https://kubernetes.io/docs/concepts/storage/volumes/#aws-ebs-csi-migration",
			objects: map[string][]client.Object{"persistentvolumes": {
				objectOf("PersistentVolume /a", spec{"persistentVolumeReclaimPolicy": "Retain", "awsElasticBlockStore": spec{"volumeID": "aws://us-east-1a/vol-a"}}),
				objectOf("PersistentVolume /b", spec{"persistentVolumeReclaimPolicy": "Retain", "awsElasticBlockStore": spec{"volumeID": "vol-b"}}),
				provisioned("PersistentVolume /c", spec{"persistentVolumeReclaimPolicy": "Delete", "awsElasticBlockStore": spec{"volumeID": "aws://us-east-1b/vol-c"}}),
				provisionedBy("kubernetes.io/aws-ebs", "PersistentVolume /d", spec{"persistentVolumeReclaimPolicy": "Delete", "awsElasticBlockStore": spec{"volumeID": "vol-d"}}),
				objectOf("PersistentVolume /e", spec{"persistentVolumeReclaimPolicy": "Delete", "awsElasticBlockStore": spec{"volumeID": "vol-e"}}),
			}},
			kept: []environment.Leftover{
				{What: "volume vol-a", Why: "the reclaim policy of PersistentVolume a is Retain"},
				{What: "volume vol-b", Why: "the reclaim policy of PersistentVolume b is Retain"},
			},
			volumes: []environment.PersistentVolume{{Name: "c", VolumeID: "vol-c"}, {Name: "d", VolumeID: "vol-d"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := &api{objects: tc.objects}
			c := &drainer{api: a}
			err := c.drain(t.Context())
			if code := fault.CodeOf(err); code != tc.code || err != nil && !strings.Contains(err.Error(), tc.message) {
				t.Errorf("%s: got %q (%v), want %q %s", tc.reason, code, err, tc.code, tc.message)
			}
			if diff := cmp.Diff(tc.deleted, a.deleted); diff != "" {
				t.Errorf("%s: deleted (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.kept, c.kept); diff != "" {
				t.Errorf("%s: kept (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.volumes, c.volumes); diff != "" {
				t.Errorf("%s: to delete (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
