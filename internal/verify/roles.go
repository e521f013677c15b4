package verify

import (
	"context"

	"github.com/harmonix-eks/environment-provider/internal/access"
	"github.com/harmonix-eks/environment-provider/internal/awsauth"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// roles looks whether the roles still have their rights in the cluster (harmonix-contract.md, sections
// 3.5 and 3.6). That the kubectl function answers with the administrator's rights is seen by every
// look here. It cannot take the provisioning role, whose trust is Harmonix' pipeline's, so aws-auth is
// looked at, which EKS has written to since Access did. The operations role has no rights in the
// cluster: it calls the function in the name of an application's role.
func roles(ctx context.Context, c cluster, s environment.State, v *environment.Verification) error {
	auth, _, err := named[config](ctx, c, "configmaps", "kube-system", "aws-auth")
	if err != nil {
		return err
	}
	for _, role := range access.Roles(s) {
		if _, lacking, err := awsauth.Merge(auth.Data["mapRoles"], role); lacking || err != nil {
			find(v, "RoleNotMapped", "start the same request again, which adds the entry and leaves the others alone",
				"role %s does not have its entry in ConfigMap kube-system/aws-auth", role.ARN)
		}
	}
	return administrator(ctx, c, s, v)
}

// binding is what is read of a ClusterRoleBinding.
type binding struct {
	RoleRef struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"roleRef"`
	Subjects []struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"subjects"`
}

// administrator looks whether the cluster admin role is bound.
func administrator(ctx context.Context, c cluster, s environment.State, v *environment.Verification) error {
	const name = "opa-cluster-admin"
	bound, _, err := named[binding](ctx, c, "clusterrolebindings", "default", name)
	if err != nil {
		return err
	}
	if bound.RoleRef.Kind == "ClusterRole" && bound.RoleRef.Name == "cluster-admin" {
		for _, subject := range bound.Subjects {
			if subject.Kind == "User" && subject.Name == s.Identity.ClusterAdminRoleARN {
				return nil
			}
		}
	}
	find(v, "AdminNotBound", "start the same request again", "ClusterRoleBinding %s does not make role %s a cluster-admin", name, s.Identity.ClusterAdminRoleARN)
	return nil
}
