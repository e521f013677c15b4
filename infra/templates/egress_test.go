package templates_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// outward are the values of an egress stack with the given number of zones.
func outward(zones int, extra map[string]string) map[string]string {
	first := func(prefix string) string {
		return strings.Join([]string{prefix + "1", prefix + "2", prefix + "3"}[:zones], ",")
	}
	values := map[string]string{
		"Prefix": "opa", "Name": "dev", "VpcId": "vpc-1", "VpcCidr": "10.0.0.0/24", "ZoneCount": strconv.Itoa(zones), "NatGateways": "single",
		"PublicSubnetIds": first("public-"), "PrivateSubnetIds": first("private-"),
		"PrivateRouteTableIds": first("private-rtb-"), "RouteTableIds": "public-rtb," + first("private-rtb-"),
	}
	maps.Copy(values, extra)
	return values
}

// Every private route table has a default route to a NAT gateway, and each gateway stands in a public
// subnet of its own, with an address of its own.
func TestNATGateways(t *testing.T) {
	cases := map[string]struct {
		reason   string
		zones    int
		gateways string
		routes   map[string]string
		subnets  []string
		output   string
	}{
		"single": {
			reason: "one gateway serves all zones", zones: 3, gateways: "single",
			routes:  map[string]string{"private-rtb-1": "{NatGateway1}", "private-rtb-2": "{NatGateway1}", "private-rtb-3": "{NatGateway1}"},
			subnets: []string{"public-1"}, output: "{NatGateway1}",
		},
		"single in two zones": {
			reason: "nothing of the third zone", zones: 2, gateways: "single",
			routes:  map[string]string{"private-rtb-1": "{NatGateway1}", "private-rtb-2": "{NatGateway1}"},
			subnets: []string{"public-1"}, output: "{NatGateway1}",
		},
		"perAz": {
			reason: "a zone needs no other", zones: 3, gateways: "perAz",
			routes:  map[string]string{"private-rtb-1": "{NatGateway1}", "private-rtb-2": "{NatGateway2}", "private-rtb-3": "{NatGateway3}"},
			subnets: []string{"public-1", "public-2", "public-3"}, output: "{NatGateway1},{NatGateway2},{NatGateway3}",
		},
		"perAz in two zones": {
			reason: "as many as there are zones", zones: 2, gateways: "perAz",
			routes:  map[string]string{"private-rtb-1": "{NatGateway1}", "private-rtb-2": "{NatGateway2}"},
			subnets: []string{"public-1", "public-2"}, output: "{NatGateway1},{NatGateway2}",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploy(t, templates.Egress, outward(tc.zones, map[string]string{"NatGateways": tc.gateways}))
			routes, subnets, addresses := map[string]string{}, []string{}, map[any]bool{}
			for id, r := range s.resources() {
				p := r.Properties
				switch r.Type {
				case "AWS::EC2::Route":
					if p["DestinationCidrBlock"] != "0.0.0.0/0" {
						t.Errorf("%s: a route to %v", id, p["DestinationCidrBlock"])
					}
					routes[p["RouteTableId"].(string)] = p["NatGatewayId"].(string)
				case "AWS::EC2::NatGateway":
					subnets = append(subnets, p["SubnetId"].(string))
					addresses[p["AllocationId"]] = true
				}
			}
			slices.Sort(subnets)
			if diff := cmp.Diff(tc.routes, routes); diff != "" {
				t.Errorf("%s: default routes (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.subnets, subnets); diff != "" || len(addresses) != len(tc.subnets) {
				t.Errorf("%s: %d addresses, subnets (-want +got):\n%s", tc.reason, len(addresses), diff)
			}
			if got := s.outputs()["NatGatewayIds"]; got != tc.output {
				t.Errorf("NatGatewayIds: got %s, want %s", got, tc.output)
			}
		})
	}
}

// What a private environment calls is reachable without the NAT gateway (aws-traps.md, row 5.16): an
// endpoint for each service, found by its usual name, in each zone once (row 1.53), which admits HTTPS
// from the whole VPC.
func TestEndpoints(t *testing.T) {
	cases := map[string]struct {
		reason   string
		services []string
	}{
		"none":    {"S3 and DynamoDB cost nothing", nil},
		"private": {"what a private cluster calls", environment.PrivateEndpoints()},
		"all":     {"everything that a request may name", environment.InterfaceEndpoints()},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{}
			for _, service := range environment.InterfaceEndpoints() {
				values[environment.EndpointParameter(service)] = "false"
			}
			for _, service := range tc.services {
				values[environment.EndpointParameter(service)] = "true"
			}
			s := deploy(t, templates.Egress, outward(3, values))
			want, got := map[string]any{}, map[string]any{}
			for _, service := range []string{"s3", "dynamodb"} {
				want["com.amazonaws.us-east-1."+service] = map[string]any{
					"VpcId": "vpc-1", "VpcEndpointType": "Gateway",
					"RouteTableIds": []any{"public-rtb", "private-rtb-1", "private-rtb-2", "private-rtb-3"},
				}
			}
			for _, service := range tc.services {
				want["com.amazonaws.us-east-1."+service] = map[string]any{
					"VpcId": "vpc-1", "VpcEndpointType": "Interface", "PrivateDnsEnabled": true,
					"SubnetIds": []any{"private-1", "private-2", "private-3"}, "SecurityGroupIds": []any{"{EndpointSecurityGroup.GroupId}"},
				}
			}
			for _, r := range s.resources() {
				if r.Type != "AWS::EC2::VPCEndpoint" {
					continue
				}
				service := r.Properties["ServiceName"].(string)
				delete(r.Properties, "ServiceName")
				delete(r.Properties, "Tags")
				got[service] = r.Properties
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: endpoints (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	group := deploy(t, templates.Egress, outward(3, nil)).resources()["EndpointSecurityGroup"].Properties
	rule := map[string]any{"Description": "AWS APIs for everything in the VPC", "IpProtocol": "tcp", "FromPort": 443.0, "ToPort": 443.0, "CidrIp": "10.0.0.0/24"}
	if diff := cmp.Diff([]any{rule}, group["SecurityGroupIngress"]); diff != "" {
		t.Errorf("what the endpoints admit (-want +got):\n%s", diff)
	}
}

// Every property of a flow log is create-only (aws-traps.md, row 1.58), so all of them are pinned.
func TestFlowLog(t *testing.T) {
	r := deploy(t, templates.Egress, outward(3, nil)).resources()
	want := map[string]any{
		"ResourceId": "vpc-1", "ResourceType": "VPC", "TrafficType": "ALL", "LogDestinationType": "cloud-watch-logs",
		"LogGroupName": "{FlowLogGroup}", "DeliverLogsPermissionArn": "{FlowLogRole.Arn}",
		"Tags": []any{map[string]any{"Key": "Name", "Value": "opa-dev"}},
	}
	if diff := cmp.Diff(want, r["FlowLog"].Properties); diff != "" {
		t.Errorf("flow log (-want +got):\n%s", diff)
	}
	group := r["FlowLogGroup"]
	if group.Properties["LogGroupName"] != "/aws/vpc/opa-dev-flow-logs" || group.Properties["RetentionInDays"] != 90.0 || group.DeletionPolicy != "Delete" {
		t.Errorf("log group: got %v, deletion policy %s", group.Properties, group.DeletionPolicy)
	}
	trust := statements(t, r["FlowLogRole"].Properties["AssumeRolePolicyDocument"])
	service := map[string]any{"Service": "vpc-flow-logs.amazonaws.com"}
	if diff := cmp.Diff(service, trust[0].Principal); diff != "" || trust[0].Condition["StringEquals"]["aws:SourceAccount"] != "222222222222" {
		t.Errorf("who may write the log: %+v", trust)
	}
	list, _ := inline(t, r["FlowLogRole"])
	for _, s := range list {
		if slices.Contains(s.Action, "logs:CreateLogGroup") {
			t.Error("the flow log could bring the group of a deleted environment back")
		}
	}
}

// In a VPC that is not the environment's nothing stands in the route tables, and the endpoints admit each
// of its blocks (aws-traps.md, row 5.16).
func TestExistingVPC(t *testing.T) {
	values := map[string]string{"Prefix": "opa", "Name": "dev", "VpcId": "vpc-1", "VpcCidr": "10.0.0.0/16", "VpcCidr2": "100.64.0.0/16", "EndpointSubnetIds": "subnet-1,subnet-2"}
	for _, service := range environment.InterfaceEndpoints() {
		values[environment.EndpointParameter(service)] = strconv.FormatBool(service == "sts")
	}
	got := map[string]int{}
	made := deploy(t, templates.EgressExisting, values).resources()
	for _, r := range made {
		got[r.Type]++
	}
	want := map[string]int{
		"AWS::EC2::VPCEndpoint": 1, "AWS::EC2::SecurityGroup": 1, "AWS::EC2::SecurityGroupIngress": 1,
		"AWS::EC2::FlowLog": 1, "AWS::Logs::LogGroup": 1, "AWS::IAM::Role": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("egress (-want +got):\n%s", diff)
	}
	endpoint := map[string]any{
		"ServiceName": "com.amazonaws.us-east-1.sts", "VpcId": "vpc-1", "VpcEndpointType": "Interface", "PrivateDnsEnabled": true,
		"SubnetIds": []any{"subnet-1", "subnet-2"}, "SecurityGroupIds": []any{"{EndpointSecurityGroup.GroupId}"},
		"Tags": []any{map[string]any{"Key": "Name", "Value": "opa-dev-sts"}},
	}
	if diff := cmp.Diff(endpoint, made["InterfaceEndpointSts"].Properties); diff != "" {
		t.Errorf("endpoint (-want +got):\n%s", diff)
	}
	blocks := []any{made["EndpointsFromBlock2"].Properties["CidrIp"]}
	for _, rule := range made["EndpointSecurityGroup"].Properties["SecurityGroupIngress"].([]any) {
		blocks = append(blocks, rule.(map[string]any)["CidrIp"])
	}
	if diff := cmp.Diff([]any{"100.64.0.0/16", "10.0.0.0/16"}, blocks); diff != "" {
		t.Errorf("what the endpoints admit (-want +got):\n%s", diff)
	}

	network := map[string]int{}
	for _, r := range deploy(t, templates.NetworkExisting, map[string]string{"Prefix": "opa", "Name": "dev", "VpcId": "vpc-1"}).resources() {
		network[r.Type]++
	}
	if diff := cmp.Diff(map[string]int{"AWS::EC2::SecurityGroup": 2, "AWS::EC2::SecurityGroupIngress": 1}, network); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
}
