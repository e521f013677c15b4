package cluster

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

var _ target.Connector = (*account.Connector)(nil)

func TestParameters(t *testing.T) {
	state := func(access, cidrs string) environment.State {
		return environment.State{
			Request:  environment.Request{Prefix: "opa", Name: "dev", APIAccess: access, APIAccessCIDRs: cidrs},
			Network:  &environment.Network{PublicSubnetIDs: []string{"pub-1", "pub-2"}, PrivateSubnetIDs: []string{"priv-1", "priv-2"}, ControlPlaneSecurityGroupID: "sg-control-plane", KubectlSecurityGroupID: "sg-kubectl"},
			Identity: &environment.Identity{ControlPlaneRoleARN: "arn:control-plane", SecretsKeyARN: "arn:secrets", KeyARN: "arn:key", ClusterAdminRoleARN: "arn:admin", ProvisioningRoleARN: "arn:provisioning"},
		}
	}
	want := func(public, cidrs string) map[string]string {
		return map[string]string{
			"Prefix": "opa", "Name": "dev", "KubernetesVersion": "1.36", "ControlPlaneRoleArn": "arn:control-plane", "SecretsKeyArn": "arn:secrets",
			"SubnetIds": "pub-1,pub-2,priv-1,priv-2", "SecurityGroupId": "sg-control-plane",
			"PublicAccess": public, "PublicAccessCidrs": cidrs, "ClusterAdminRoleArn": "arn:admin", "ProvisioningRoleArn": "arn:provisioning",
		}
	}
	cases := map[string]struct {
		reason string
		state  environment.State
		want   map[string]string
	}{
		"Public":  {"both ways in, from the given addresses", state("public_and_private", "203.0.113.0/24,198.51.100.7/32"), want("true", "203.0.113.0/24,198.51.100.7/32")},
		"Spaces":  {"the form's list may have spaces", state("public_and_private", "203.0.113.0/24, 198.51.100.7/32"), want("true", "203.0.113.0/24,198.51.100.7/32")},
		"Private": {"no addresses for an API that is not public", state("private", "0.0.0.0/0"), want("false", "")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Parameters(tc.state, "1.36")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// CloudFormation refuses to update a cluster without a list of blocks that it had.
func TestBlocksStay(t *testing.T) {
	cases := map[string]struct{ reason, live, asked, want string }{
		"New":     {"a private API needs none", "", "", ""},
		"Closed":  {"those of the public API stay when it goes", "a,b", "", "a,b"},
		"Opened":  {"as asked", "", "a", "a"},
		"Changed": {"as asked", "a,b", "c", "c"},
		"Order":   {"no change to EKS", "a,b", "b,a", "a,b"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := blocks(tc.live, tc.asked); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// EKS refuses an update that changes nothing, and to it a list of subnets or blocks is a set.
func TestInOrder(t *testing.T) {
	cases := map[string]struct{ reason, live, asked, want string }{
		"New":     {"as asked", "", "b,a", "b,a"},
		"Same":    {"no change", "a,b", "a,b", "a,b"},
		"Order":   {"no change to EKS", "a,b", "b,a", "a,b"},
		"Twice":   {"nor this", "a,b", "b,a,b", "a,b"},
		"More":    {"a change", "a,b", "c,b,a", "c,b,a"},
		"Fewer":   {"a change", "a,b", "b", "b"},
		"Other":   {"a change", "a,b", "a,c", "a,c"},
		"Nothing": {"a change", "a,b", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := inOrder(tc.live, tc.asked); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// The version alone and first, and no kind names a parameter that the stage does not send.
func TestKinds(t *testing.T) {
	all := kinds()
	// A rollback of an upgrade is a downgrade (aws-traps.md, row 1.9b).
	if diff := cmp.Diff([]string{"KubernetesVersion"}, all[0].Parameters); diff != "" || all[0].Rest || !all[0].Stays {
		t.Errorf("the first kind (-want +got):\n%s", diff)
	}
	sent := slices.Collect(maps.Keys(Parameters(environment.State{Network: &environment.Network{}, Identity: &environment.Identity{}}, "")))
	for _, k := range all {
		for _, name := range slices.Concat(k.Parameters, fixed()) {
			if !slices.Contains(append(sent, "SupportType"), name) {
				t.Errorf("%s is no parameter of the cluster", name)
			}
		}
	}
}
