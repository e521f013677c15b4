package templates_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/capacity"
	"github.com/harmonix-eks/environment-provider/internal/cluster"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// caller is something in the private subnets that calls AWS, and what it calls, by the endpoint's name.
type caller struct {
	reason   string
	services []string
}

// callers are transcribed from aws-traps.md, rows 5.15 and 5.16, kubectl-protocol.md, sections 4.5 and
// 4.6, and EKS' user guide ("Deploy private clusters with limited internet access").
func callers(nodeType string) map[string]caller {
	all := map[string]caller{
		"kubectl function":         {"DescribeCluster, AssumeRole; charts and manifests in S3 or ECR", []string{"eks", "sts", "s3", "ecr.api", "ecr.dkr"}},
		"load balancer controller": {"its role's token, subnets and groups, load balancers", []string{"sts", "ec2", "elasticloadbalancing"}},
	}
	if nodeType == environment.NodeTypeManaged {
		all["nodes"] = caller{"joining, the CNI plug-in, images and their layers", []string{"ec2", "eks", "sts", "ecr.api", "ecr.dkr", "s3"}}
		all["Fluent Bit"] = caller{"its role's token, logs", []string{"sts", "logs"}}
	} else {
		all["pods on Fargate"] = caller{"images and their layers, the log router", []string{"ecr.api", "ecr.dkr", "s3", "sts", "logs"}}
	}
	return all
}

// world is an environment's private subnets and what leads out of them, as the templates make it with
// the parameters that the stages send.
type world struct {
	state   environment.State
	network stack
	egress  stack
	// there is the existing VPC, empty where the environment makes one.
	there   vpc.VPC
	subnets []vpc.Subnet
}

const isolated, natted = "without a way out", "with a NAT gateway"

// existing is a VPC with two private subnets. Isolated it has the endpoints that an environment needs,
// but for the two that the request asks for.
func existing(kind string) vpc.VPC {
	way, block := vpc.NATGateway, netip.MustParsePrefix
	v := vpc.VPC{ID: "vpc-1", OwnerID: "222222222222", Blocks: []netip.Prefix{block("10.0.0.0/16"), block("100.64.0.0/16")}, DNSSupport: true, DNSHostnames: true, AmazonDNS: true}
	if kind == isolated {
		way = vpc.Isolated
		for _, service := range []string{"ec2", "ecr.api", "ecr.dkr", "elasticloadbalancing", "logs"} {
			v.Endpoints = append(v.Endpoints, vpc.Endpoint{ID: "vpce-" + service, Service: service, PrivateDNS: true, Admits: v.Blocks})
		}
		v.Endpoints = append(v.Endpoints, vpc.Endpoint{ID: "vpce-s3", Service: "s3", Gateway: true, RouteTables: []string{"rtb-1"}})
	}
	v.Subnets = []vpc.Subnet{
		{ID: "subnet-1", Zone: "us-east-1a", ZoneID: "use1-az1", Block: block("10.0.1.0/24"), Free: 200, Way: way, RouteTable: "rtb-1"},
		{ID: "subnet-2", Zone: "us-east-1b", ZoneID: "use1-az2", Block: block("100.64.1.0/24"), Free: 200, Way: way, RouteTable: "rtb-1"},
	}
	return v
}

// built is the environment that r asks for.
func built(t *testing.T, r environment.Request, kind string) world {
	t.Helper()
	w := world{state: environment.State{Request: r, Names: environment.NamesOf(r)}}
	if r.ExistingVPC() {
		w.there = existing(kind)
		choice, report := vpc.Choose(w.there, r, nil)
		if errors, _ := finding.Split(append(report, vpc.Check(w.there, choice, r, false)...)); len(errors) > 0 {
			t.Fatalf("preflight refuses the VPC: %v", errors)
		}
		w.subnets = choice.Private
		w.network = deploy(t, templates.NetworkExisting, network.ExistingParameters(r, choice, nil))
		w.state.Network = &environment.Network{VPCID: r.VPCID, PrivateSubnetIDs: choice.PrivateIDs(), EndpointSubnetIDs: choice.EndpointSubnetIDs(), Isolated: choice.Isolated()}
		for _, b := range w.there.Blocks {
			w.state.Network.Blocks = append(w.state.Network.Blocks, b.String())
		}
		w.egress = deploy(t, templates.EgressExisting, egress.ExistingParameters(w.state, r.InterfaceEndpoints))
	} else {
		parameters, err := network.Parameters(r, []string{"us-east-1a", "us-east-1b", "us-east-1d"})
		if err != nil {
			t.Fatal(err)
		}
		w.network = deploy(t, templates.Network, parameters)
		out := func(name string) []string { return strings.Split(w.network.outputs()[name], ",") }
		w.state.Network = &environment.Network{
			VPCID: w.network.outputs()["VpcId"], PublicSubnetIDs: out("PublicSubnetIds"), PrivateSubnetIDs: out("PrivateSubnetIds"),
			PublicRouteTableID: w.network.outputs()["PublicRouteTableId"], PrivateRouteTableIDs: out("PrivateRouteTableIds"),
			EndpointSubnetIDs: out("PrivateSubnetIds"), Blocks: []string{r.CIDR},
		}
		w.egress = deploy(t, templates.Egress, egress.Parameters(w.state))
		w.subnets = w.made(t)
	}
	w.state.Network.ControlPlaneSecurityGroupID = w.network.outputs()["ControlPlaneSecurityGroupId"]
	w.state.Network.KubectlSecurityGroupID = w.network.outputs()["KubectlSecurityGroupId"]
	w.state.Identity, w.state.Cluster = &environment.Identity{}, &environment.Cluster{Version: "1.36"}
	return w
}

// made are the private subnets of the network template, each with the way out that the egress template
// gives its route table.
func (w world) made(t *testing.T) []vpc.Subnet {
	t.Helper()
	tables := map[any]any{}
	for _, r := range w.network.resources() {
		if r.Type == "AWS::EC2::SubnetRouteTableAssociation" {
			tables[r.Properties["SubnetId"]] = r.Properties["RouteTableId"]
		}
	}
	var all []vpc.Subnet
	for _, id := range w.state.Network.PrivateSubnetIDs {
		properties := w.network.resources()[strings.Trim(id, "{}")].Properties
		s := vpc.Subnet{ID: id, Block: netip.MustParsePrefix(properties["CidrBlock"].(string)), RouteTable: fmt.Sprint(tables[id]), Way: vpc.Isolated}
		for _, r := range w.egress.resources() {
			if r.Type == "AWS::EC2::Route" && r.Properties["RouteTableId"] == s.RouteTable && r.Properties["DestinationCidrBlock"] == "0.0.0.0/0" && w.leadsOut(r.Properties["NatGatewayId"], tables) {
				s.Way = vpc.NATGateway
			}
		}
		all = append(all, s)
	}
	return all
}

// leadsOut reports whether the NAT gateway stands in a subnet whose default route leads to the internet
// gateway.
func (w world) leadsOut(gateway any, tables map[any]any) bool {
	nat, ok := w.egress.resources()[strings.Trim(fmt.Sprint(gateway), "{}")]
	if !ok {
		return false
	}
	for _, r := range w.network.resources() {
		if r.Type == "AWS::EC2::Route" && r.Properties["RouteTableId"] == tables[nat.Properties["SubnetId"]] && r.Properties["GatewayId"] == "{InternetGateway}" && r.Properties["DestinationCidrBlock"] == "0.0.0.0/0" {
			return true
		}
	}
	return false
}

// unreached says why a caller in the subnet does not reach the service, empty when it does. An endpoint
// that answers to the service's usual name is in the way if it does not admit the caller.
func (w world) unreached(s vpc.Subnet, service string) string {
	for _, e := range w.there.Endpoints {
		switch {
		case e.Service != service:
		case e.Gateway && slices.Contains(e.RouteTables, s.RouteTable), !e.Gateway && e.PrivateDNS && admits(e.Admits, s.Block):
			return ""
		}
	}
	for id, r := range w.egress.resources() {
		if r.Type != "AWS::EC2::VPCEndpoint" || r.Properties["ServiceName"] != "com.amazonaws.us-east-1."+service {
			continue
		}
		if r.Properties["VpcEndpointType"] == "Gateway" {
			if slices.Contains(texts(r.Properties["RouteTableIds"]), s.RouteTable) {
				return ""
			}
			continue
		}
		if r.Properties["PrivateDnsEnabled"] != true {
			continue
		}
		if len(texts(r.Properties["SubnetIds"])) < 2 || !admits(w.admitted(texts(r.Properties["SecurityGroupIds"])), s.Block) {
			return id + " answers to the name and does not admit " + s.Block.String()
		}
		return ""
	}
	if s.Way == vpc.NATGateway {
		return ""
	}
	return "no endpoint, no NAT gateway"
}

func admits(blocks []netip.Prefix, caller netip.Prefix) bool {
	return slices.ContainsFunc(blocks, func(b netip.Prefix) bool { return b.Bits() <= caller.Bits() && b.Contains(caller.Addr()) })
}

// admitted are the blocks that groups of the egress stack let in on 443.
func (w world) admitted(groups []string) []netip.Prefix {
	var blocks []netip.Prefix
	add := func(rule map[string]any) {
		if rule["IpProtocol"] == "tcp" && rule["FromPort"] == 443.0 && rule["ToPort"] == 443.0 {
			if b, err := netip.ParsePrefix(fmt.Sprint(rule["CidrIp"])); err == nil {
				blocks = append(blocks, b)
			}
		}
	}
	for id, r := range w.egress.resources() {
		switch {
		case r.Type == "AWS::EC2::SecurityGroup" && slices.Contains(groups, "{"+id+".GroupId}"):
			for _, rule := range r.Properties["SecurityGroupIngress"].([]any) {
				add(rule.(map[string]any))
			}
		case r.Type == "AWS::EC2::SecurityGroupIngress" && slices.Contains(groups, fmt.Sprint(r.Properties["GroupId"])):
			add(r.Properties)
		}
	}
	return blocks
}

// combinations are the requests of all sixteen, those in an existing VPC with and without a way out.
func combinations() map[string]struct {
	request environment.Request
	kind    string
} {
	all := map[string]struct {
		request environment.Request
		kind    string
	}{}
	for _, nodeType := range []string{"FARGATE", "MANAGED"} {
		for _, kind := range []string{"new VPC", isolated, natted} {
			for _, access := range []string{"private", "public_and_private"} {
				for _, admin := range []string{"", "arn:aws:iam::222222222222:role/admin"} {
					r := environment.Request{
						Name: "dev", Prefix: "opa", AccountID: "222222222222", Region: "us-east-1", APIAccess: access, NodeType: nodeType, ClusterAdminRole: admin,
						VPCConfiguration: environment.VPCCreateNew, KubernetesVersion: "1.36",
					}
					if kind != "new VPC" {
						r.VPCConfiguration, r.VPCID = environment.VPCUseExisting, "vpc-1"
					}
					if kind == isolated {
						r.InterfaceEndpoints, r.Chart.Repository = []string{"eks", "sts"}, "s3://charts/controller.tgz"
						if nodeType == "MANAGED" {
							r.Images.FluentBit = "222222222222.dkr.ecr.us-east-1.amazonaws.com/fluent-bit:3.2.1"
						}
					}
					all[fmt.Sprintf("%s, %s, %s, admin %q", nodeType, kind, access, admin)] = struct {
						request environment.Request
						kind    string
					}{r.WithDefaults(), kind}
				}
			}
		}
	}
	return all
}

// Everything in the private subnets of every combination reaches what it calls, and the function reaches
// the Kubernetes API.
func TestEveryCallerReachesWhatItCalls(t *testing.T) {
	for name, tc := range combinations() {
		t.Run(name, func(t *testing.T) {
			w := built(t, tc.request, tc.kind)
			if len(w.subnets) < 2 {
				t.Fatalf("%d private subnets", len(w.subnets))
			}
			for who, c := range callers(tc.request.NodeType) {
				for _, service := range c.services {
					for _, s := range w.subnets {
						if why := w.unreached(s, service); why != "" {
							t.Errorf("%s in %s does not reach %s (%s): %s", who, s.ID, service, c.reason, why)
						}
					}
				}
			}
			checkKubernetesAPI(t, w)
		})
	}
}

// checkKubernetesAPI follows the way from the function's group to the private endpoint, and looks that
// nothing keeps nodes out of the group that EKS makes for them (aws-traps.md, row 1.27).
func checkKubernetesAPI(t *testing.T, w world) {
	t.Helper()
	access := deploy(t, templates.Cluster, cluster.Parameters(w.state, "1.36")).resources()["Cluster"].Properties["ResourcesVpcConfig"].(map[string]any)
	if access["EndpointPrivateAccess"] != true || access["EndpointPublicAccess"] != (w.state.Request.APIAccess != environment.APIPrivate) {
		t.Errorf("endpoints of the API: %v", access)
	}
	groups := texts(access["SecurityGroupIds"])
	admitted := false
	for _, r := range w.network.resources() {
		p := r.Properties
		admitted = admitted || r.Type == "AWS::EC2::SecurityGroupIngress" && slices.Contains(groups, fmt.Sprint(p["GroupId"])) &&
			p["SourceSecurityGroupId"] == w.state.Network.KubectlSecurityGroupID && p["FromPort"] == 443.0 && p["ToPort"] == 443.0
	}
	if !admitted {
		t.Errorf("%v do not admit 443 from %s", groups, w.state.Network.KubectlSecurityGroupID)
	}
	for _, id := range w.state.Network.PrivateSubnetIDs {
		if !slices.Contains(texts(access["SubnetIds"]), id) {
			t.Errorf("%s is none of the cluster's subnets %v", id, access["SubnetIds"])
		}
	}
	body, parameters := templates.CapacityFargate, capacity.FargateParameters(w.state)
	if w.state.Request.NodeType == environment.NodeTypeManaged {
		body, parameters = templates.CapacityManaged, capacity.ManagedParameters(w.state, 1)
	}
	for id, r := range deploy(t, body, parameters).resources() {
		data, _ := r.Properties["LaunchTemplateData"].(map[string]any)
		if _, ok := data["SecurityGroupIds"]; ok {
			t.Errorf("%s has security groups of its own", id)
		}
		if subnets, ok := r.Properties["Subnets"]; ok {
			if diff := cmp.Diff(w.state.Network.PrivateSubnetIDs, texts(subnets)); diff != "" {
				t.Errorf("subnets of %s (-want +got):\n%s", id, diff)
			}
		}
	}
}

// Preflight asks for all that is called, so that none is missing in an isolated VPC.
func TestPreflightAsksForWhatIsCalled(t *testing.T) {
	needed := map[string]bool{}
	for _, nodeType := range []string{environment.NodeTypeManaged, environment.NodeTypeFargate} {
		for _, c := range callers(nodeType) {
			for _, service := range c.services {
				needed[service] = true
			}
		}
	}
	for service := range needed {
		if !slices.Contains(vpc.Required(), service) {
			t.Errorf("%s is called, and preflight does not ask for a way to it", service)
		}
		if service != "s3" && !slices.Contains(environment.PrivateEndpoints(), service) {
			t.Errorf("%s is called, and a private API brings no endpoint for it", service)
		}
	}
	r := combinations()[fmt.Sprintf("MANAGED, %s, private, admin %q", isolated, "")].request
	for _, service := range vpc.Required() {
		v := existing(isolated)
		v.Endpoints = slices.DeleteFunc(v.Endpoints, func(e vpc.Endpoint) bool { return e.Service == service })
		asked := r
		asked.InterfaceEndpoints = slices.DeleteFunc(slices.Clone(r.InterfaceEndpoints), func(s string) bool { return s == service })
		choice, _ := vpc.Choose(v, asked, nil)
		errors, _ := finding.Split(vpc.Check(v, choice, asked, false))
		if len(errors) != 1 || !strings.Contains(errors[0].Found, "AWS service "+service+":") {
			t.Errorf("without a way to %s: %v", service, errors)
		}
	}
}

// What the code in the VPC imports and what the add-ons' roles allow is what the callers above call: a new
// import or permission fails here until a way to the service is proven.
func TestCallersAreComplete(t *testing.T) {
	called := map[string]bool{}
	for _, nodeType := range []string{environment.NodeTypeManaged, environment.NodeTypeFargate} {
		for _, c := range callers(nodeType) {
			for _, service := range c.services {
				called[service] = true
			}
		}
	}
	// endpointOf gives a service of the SDK or of a policy the name of its endpoint.
	endpointOf := map[string]string{"ecr": "ecr.api"}
	excused := map[string]string{
		"ecrpublic": "a chart from public.ecr.aws; an isolated VPC is refused with it",
		"iam":       "the controller makes the account's service-linked role once; IAM is global and has no endpoint",
		"acm":       "certificates that an Ingress names by host", "cognito-idp": "user pools that an Ingress names",
		"waf-regional": "switched off in an isolated VPC", "wafv2": "switched off in an isolated VPC", "shield": "switched off in an isolated VPC",
	}
	check := func(where, service string) {
		name := service
		if endpoint, ok := endpointOf[service]; ok {
			name = endpoint
		}
		if !called[name] && excused[service] == "" {
			t.Errorf("%s calls %s, which no caller here has a way to", where, service)
		}
	}
	imported := regexp.MustCompile(`"github.com/aws/aws-sdk-go-v2/service/(\w+)"`)
	for _, folder := range []string{"kube", "kubectl", "helm"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "internal", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("internal/%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
				if !strings.HasSuffix(file, "_test.go") {
					check(file, m[1])
				}
			}
		}
	}
	for id, role := range roles(deploy(t, templates.AddonRoles, map[string]string{"NodeType": "MANAGED", "Issuer": issuer})) {
		list, _ := inline(t, role)
		for _, s := range list {
			for _, action := range s.Action {
				service, _, _ := strings.Cut(action, ":")
				check(id, service)
			}
		}
	}
}
