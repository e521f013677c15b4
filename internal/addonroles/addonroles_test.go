package addonroles_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/addonroles"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestParameters(t *testing.T) {
	want := map[string]string{
		"Prefix": "opa", "Name": "dev", "NodeType": "MANAGED",
		"PermissionsBoundary": "arn:boundary",
		"Issuer":              "oidc.eks.us-east-1.amazonaws.com/id/ABC",
		"OidcProviderArn":     "arn:aws:iam::222222222222:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC",
	}
	got := addonroles.Parameters(environment.State{
		Request: environment.Request{Prefix: "opa", Name: "dev", NodeType: environment.NodeTypeManaged, PermissionsBoundary: "arn:boundary"},
		Cluster: &environment.Cluster{
			Issuer:          "oidc.eks.us-east-1.amazonaws.com/id/ABC",
			OIDCProviderARN: "arn:aws:iam::222222222222:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC",
		},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parameters: -want, +got:\n%s", diff)
	}
}
