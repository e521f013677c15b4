// Package access gives roles their rights in the cluster: the aws-auth ConfigMap and the RBAC
// objects that Harmonix' applications bind to (harmonix-contract.md, sections 3.5 and 3.6).
package access

import (
	"context"
	"errors"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/awsauth"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// cluster is the part of the kubectl function that the stage needs.
type cluster interface {
	Apply(ctx context.Context, objects ...client.Object) ([]client.Change, error)
	Create(ctx context.Context, object client.Object) ([]client.Change, error)
	List(ctx context.Context, kind, namespace string, fields client.Fields) ([]client.Object, error)
}

// Stage is the Access stage.
type Stage struct{ connector target.Connector }

// New returns the stage.
func New(c target.Connector) *Stage { return &Stage{connector: c} }

// Run converges aws-auth and the RBAC objects through the environment's kubectl function.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Access, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	cluster := client.Of(t.Config, in.State)
	changes, err := converge(ctx, cluster, in.State)
	if err != nil {
		return nil, settle(err, in.Entered)
	}
	_, objects := client.Summarize(changes)
	return &environment.Access{Progress: cluster.Progress(changes), Objects: objects}, nil
}

// propagation is how long an access entry may take to be known to the API server: 30 s were
// measured (aws-traps.md, row 5.5). Until then a refusal by the cluster says nothing; one by IAM or
// by the kubectl function does.
const propagation = 2 * time.Minute

// settle makes a fault that time cures [fault.Transient].
func settle(err error, entered time.Time) error {
	if errors.Is(err, &fault.Error{Code: fault.Conflict}) {
		return fault.Wrap(fault.Transient, err, "somebody else wrote the same object")
	}
	if errors.Is(err, client.ErrRefused) && time.Since(entered) < propagation {
		return fault.Wrap(fault.Transient, err, "the access entry may not have taken effect yet")
	}
	return err
}

func converge(ctx context.Context, c cluster, s environment.State) ([]client.Change, error) {
	maps, err := c.List(ctx, "configmaps", "kube-system", nil)
	if err != nil {
		return nil, err
	}
	auth, err := awsAuth(maps, s)
	if err != nil {
		return nil, err
	}
	objects := RBAC(s.Identity.ClusterAdminRoleARN)
	if auth.write == replace {
		objects = append(objects, auth.object)
	}
	changes, err := c.Apply(ctx, objects...)
	if err != nil || auth.write != create {
		return changes, err
	}
	// An apply would overwrite what EKS has written since the ConfigMap was looked for.
	made, err := c.Create(ctx, auth.object)
	return append(changes, made...), err
}

// RBAC returns the objects that Harmonix' application templates expect to find. adminRole is the
// Kubernetes user name of the cluster's administrator: the role's ARN.
func RBAC(adminRole string) []client.Object {
	const group, version = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
	return []client.Object{
		{
			"apiVersion": version, "kind": "ClusterRoleBinding",
			"metadata": map[string]any{"name": "opa-cluster-admin"},
			"roleRef":  map[string]any{"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
			"subjects": []any{map[string]any{"apiGroup": group, "kind": "User", "name": adminRole}},
		},
		{
			"apiVersion": version, "kind": "ClusterRole",
			"metadata": map[string]any{"name": "opa-namespace-viewer"},
			"rules": []any{map[string]any{
				"apiGroups": []any{""}, "resources": []any{"namespaces"}, "verbs": []any{"get", "list", "watch"},
			}},
		},
	}
}

// Roles returns the entries of aws-auth in Harmonix' order (harmonix-contract.md, section 3.6).
func Roles(s environment.State) []awsauth.Role {
	role := func(arn, username string, groups ...string) awsauth.Role {
		return awsauth.Role{ARN: awsauth.WithoutPath(arn), Username: username, Groups: groups}
	}
	provisioning, admin := s.Identity.ProvisioningRoleARN, s.Identity.ClusterAdminRoleARN
	roles := []awsauth.Role{role(provisioning, provisioning, "system:masters")}
	if arn := s.Identity.PodExecutionRoleARN; arn != "" {
		roles = append(roles, role(arn, "system:node:{{SessionName}}", "system:bootstrappers", "system:nodes", "system:node-proxier"))
	}
	if arn := s.Identity.NodeRoleARN; arn != "" {
		roles = append(roles, role(arn, "system:node:{{EC2PrivateDNSName}}", "system:bootstrappers", "system:nodes"))
	}
	return append(roles, role(admin, admin))
}

// write is how aws-auth is to be written.
type write int

const (
	// keep leaves the ConfigMap as it is.
	keep write = iota
	// create makes one where there was none.
	create
	// replace applies one at the resource version that was read.
	replace
)

// configMap is aws-auth as it is to be.
type configMap struct {
	object client.Object
	write  write
}

// awsAuth returns the ConfigMap that s needs. EKS writes it too, at any time: a write in between
// is a conflict, whether there was a ConfigMap or not, and the stage begins again, so that no entry
// is lost (aws-traps.md, row 5.7).
func awsAuth(maps []client.Object, s environment.State) (configMap, error) {
	metadata := map[string]any{"name": "aws-auth", "namespace": "kube-system"}
	data := map[string]any{"mapUsers": "[]", "mapAccounts": "[]"}
	existing, write := "", create
	for _, m := range maps {
		found, _ := m["metadata"].(map[string]any)
		if found["name"] != "aws-auth" {
			continue
		}
		metadata["resourceVersion"], write = found["resourceVersion"], replace
		if values, ok := m["data"].(map[string]any); ok {
			data = values
			existing, _ = values["mapRoles"].(string)
		}
	}
	merged, changed, err := awsauth.Merge(existing, Roles(s)...)
	if err != nil {
		return configMap{}, fault.Wrap(fault.Failed, err, "the ConfigMap kube-system/aws-auth cannot be read").
			WithNext("correct its mapRoles by hand and start the same request again; nothing of it was changed")
	}
	data["mapRoles"] = merged
	if !changed {
		write = keep
	}
	return configMap{client.Object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}, write}, nil
}
