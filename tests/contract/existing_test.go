package contract_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/register"
)

// In a VPC that is there already the stages make less, of templates of their own.
func TestStagesInAnExistingVPC(t *testing.T) {
	in := sample("MANAGED")
	in.State.Request.VPCConfiguration, in.State.Request.VPCID = environment.VPCUseExisting, "vpc-1"
	in.State.Request.InterfaceEndpoints = []string{"sts"}
	in.State.Network = &environment.Network{
		VPCID: "vpc-1", PrivateSubnetIDs: []string{"subnet-a", "subnet-b"}, EndpointSubnetIDs: []string{"subnet-a", "subnet-b"},
		Blocks: []string{"10.0.0.0/16", "100.64.0.0/16"}, ControlPlaneSecurityGroupID: "sg-1", KubectlSecurityGroupID: "sg-2",
	}
	cases := map[string]struct {
		reason   string
		template string
		run      func(connector) (any, error)
		sends    map[string]string
		empty    []string
	}{
		"Network": {
			reason: "groups only; the choice is written down", template: templates.NetworkExisting,
			run:   func(c connector) (any, error) { return network.New(c).Run(t.Context(), in) },
			sends: map[string]string{"VpcId": "vpc-1", "PublicSubnetIds": "", "PrivateSubnetIds": "subnet-a,subnet-b", "TaggedSubnets": ""},
			empty: []string{"PublicSubnetIDs", "PublicRouteTableID", "PrivateRouteTableIDs"},
		},
		"Egress": {
			reason: "an endpoint and the flow log", template: templates.EgressExisting,
			run: func(c connector) (any, error) { return egress.New(c).Run(t.Context(), in) },
			sends: map[string]string{
				"EndpointSts": "true", "EndpointEc2": "false", "VpcCidr": "10.0.0.0/16", "VpcCidr2": "100.64.0.0/16", "EndpointSubnetIds": "subnet-a,subnet-b",
			},
			empty: []string{"NATGatewayIDs", "PublicIPs"},
		},
		"Register": {
			reason: "an empty list is a space (harmonix-contract.md, section 2.3)", template: templates.Provider,
			run: func(c connector) (any, error) {
				return register.New(c, register.Options{StarterRoleARN: "arn:starter"}).Run(t.Context(), in)
			},
			sends: map[string]string{"VpcId": "vpc-1", "PublicSubnetIds": " ", "PrivateSubnetIds": "subnet-a,subnet-b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var parsed stackTemplate
			if err := json.Unmarshal([]byte(tc.template), &parsed); err != nil {
				t.Fatal(err)
			}
			cloud := &cloud{template: parsed, nodeType: "MANAGED"}
			got, err := tc.run(connector{cloud})
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if cloud.update == nil || cloud.update.Get("TemplateBody") != tc.template {
				t.Fatalf("%s: sends another template", tc.reason)
			}
			sent := pairs(cloud.update, "Parameters", "ParameterKey", "ParameterValue")
			checkParameters(t, parsed, sent)
			for parameter, value := range tc.sends {
				if sent[parameter] != value {
					t.Errorf("%s: parameter %s is %q, want %q", tc.reason, parameter, sent[parameter], value)
				}
			}
			isolated := slices.DeleteFunc(emptyFields(got), func(field string) bool { return field == "Isolated" })
			if diff := cmp.Diff(tc.empty, isolated); diff != "" {
				t.Errorf("%s: empty fields (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// describe answers for EC2: the zones of a region, and one VPC with two isolated subnets.
func describe(form url.Values) string {
	body := ""
	switch action := form.Get("Action"); action {
	case "DescribeAvailabilityZones":
		for i, letter := range "abcdef" {
			body += fmt.Sprintf("<item><zoneName>us-east-1%c</zoneName><zoneId>use1-az%d</zoneId></item>", letter, i+1)
		}
		return answer(action, "availabilityZoneInfo", body)
	case "DescribeVpcs":
		return answer(action, "vpcSet", "<item><vpcId>vpc-1</vpcId><ownerId>222222222222</ownerId><cidrBlock>10.0.0.0/16</cidrBlock></item>")
	case "DescribeSubnets":
		for i, letter := range "ab" {
			body += fmt.Sprintf("<item><subnetId>subnet-%c</subnetId><state>available</state><cidrBlock>10.0.%d.0/24</cidrBlock>", letter, i) +
				fmt.Sprintf("<availabilityZone>us-east-1%c</availabilityZone><availabilityZoneId>use1-az%d</availabilityZoneId></item>", letter, i+1)
		}
		return answer(action, "subnetSet", body)
	default:
		return answer(action, "set", "")
	}
}

func answer(action, set, items string) string {
	return fmt.Sprintf("<%[1]sResponse><%[2]s>%[3]s</%[2]s></%[1]sResponse>", action, set, items)
}
