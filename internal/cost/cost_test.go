package cost_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/cost"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestOf(t *testing.T) {
	network := &environment.Network{EndpointSubnetIDs: []string{"a", "b", "c"}}
	cases := map[string]struct {
		reason      string
		state       environment.State
		monthly     float64
		items       int
		notIncluded []string
	}{
		"Fargate": {
			reason:      "73 + 2 + 36.50 for the gateway and its address + 4 pods of 10.63",
			state:       environment.State{Request: environment.Request{NodeType: "FARGATE"}, Network: network, Egress: &environment.Egress{NATGatewayIDs: []string{"nat"}}},
			monthly:     154.03,
			items:       4,
			notIncluded: []string{"traffic", "logs", "requests", "what runs in the cluster"},
		},
		"PrivateManaged": {
			reason: "73 + 2 + 109.50 for three gateways + 2 endpoints in 3 zones of 7.30 + 2 nodes of 70.08 with 20 GiB at 1.60",
			state: environment.State{
				Request: environment.Request{NodeType: "MANAGED", InstanceTypes: []string{"m5.large", "c7g.large"}, NodeGroupDesiredSize: 2, NodeGroupDiskSize: 20},
				Network: network,
				Egress:  &environment.Egress{NATGatewayIDs: []string{"1", "2", "3"}, InterfaceEndpoints: []string{"sts", "eks"}},
			},
			monthly:     371.66,
			items:       6,
			notIncluded: []string{"traffic", "logs", "requests", "what runs in the cluster"},
		},
		"UnknownType": {
			reason:      "a price that is not known is said to be missing, not guessed",
			state:       environment.State{Request: environment.Request{NodeType: "MANAGED", InstanceTypes: []string{"c7g.large"}, NodeGroupDesiredSize: 1, NodeGroupDiskSize: 20}, Network: network},
			monthly:     76.60,
			items:       3,
			notIncluded: []string{"traffic", "logs", "requests", "what runs in the cluster", "1 c7g.large nodes"},
		},
		"Spot": {
			reason:      "its price is another one in an hour",
			state:       environment.State{Request: environment.Request{NodeType: "MANAGED", InstanceTypes: []string{"m5.large"}, CapacityType: "SPOT", NodeGroupDesiredSize: 3, NodeGroupDiskSize: 20}, Network: network},
			monthly:     79.80,
			items:       3,
			notIncluded: []string{"traffic", "logs", "requests", "what runs in the cluster", "3 spot nodes, whose price changes by the hour"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := cost.Of(tc.state)
			if got.Monthly != tc.monthly || len(got.Items) != tc.items {
				t.Errorf("%s: got %v in %d items, want %v in %d: %+v", tc.reason, got.Monthly, len(got.Items), tc.monthly, tc.items, got.Items)
			}
			if diff := cmp.Diff(tc.notIncluded, got.NotIncluded); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}
