package egress_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// state is an environment whose network core is made.
func state(r environment.Request) environment.State {
	r.Prefix, r.Name, r.CIDR, r.VPCConfiguration = "opa", "dev", "10.0.0.0/24", environment.VPCCreateNew
	return environment.State{Request: r.WithDefaults(), Network: &environment.Network{
		VPCID:                "vpc-1",
		PublicSubnetIDs:      []string{"subnet-1", "subnet-2"},
		PrivateSubnetIDs:     []string{"subnet-3", "subnet-4"},
		PublicRouteTableID:   "rtb-1",
		PrivateRouteTableIDs: []string{"rtb-2", "rtb-3"},
	}}
}

func TestParameters(t *testing.T) {
	cases := map[string]struct {
		reason    string
		request   environment.Request
		gateways  string
		endpoints []string
	}{
		"Default": {"one gateway and no endpoints", environment.Request{APIAccess: environment.APIPublicAndPrivate}, "single", nil},
		"Private": {"with what a private cluster calls", environment.Request{APIAccess: environment.APIPrivate}, "single", environment.PrivateEndpoints()},
		"Bounded": {"the flow log's role has the boundary", environment.Request{APIAccess: environment.APIPublicAndPrivate, PermissionsBoundary: "arn:boundary"}, "single", nil},
		"Chosen": {
			"the request decides", environment.Request{APIAccess: environment.APIPrivate, NATGateways: "perAz", InterfaceEndpoints: []string{"sts", "rds"}},
			"perAz", []string{"rds", "sts"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{
				"Prefix": "opa", "Name": "dev", "VpcId": "vpc-1", "VpcCidr": "10.0.0.0/24", "ZoneCount": "2", "NatGateways": tc.gateways,
				"PublicSubnetIds": "subnet-1,subnet-2", "PrivateSubnetIds": "subnet-3,subnet-4",
				"PrivateRouteTableIds": "rtb-2,rtb-3", "RouteTableIds": "rtb-1,rtb-2,rtb-3", "PermissionsBoundary": tc.request.PermissionsBoundary,
			}
			for _, service := range environment.InterfaceEndpoints() {
				want[environment.EndpointParameter(service)] = "false"
			}
			for _, service := range tc.endpoints {
				want[environment.EndpointParameter(service)] = "true"
			}
			got := egress.Parameters(state(tc.request))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: Parameters: -want, +got:\n%s", tc.reason, diff)
			}
			var template struct{ Parameters map[string]any }
			if err := json.Unmarshal([]byte(templates.Egress), &template); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(template.Parameters)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("parameters: -template, +stage:\n%s", diff)
			}
		})
	}
}
