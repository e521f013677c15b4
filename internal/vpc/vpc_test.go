package vpc_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// subnet is a subnet in zone use1-az1, use1-az2 and so on, with 200 free addresses.
func subnet(id string, zone int, way vpc.Way) vpc.Subnet {
	letter := string(rune('a' + zone - 1))
	return vpc.Subnet{
		ID: id, Zone: "us-east-1" + letter, ZoneID: "use1-az" + string(rune('0'+zone)), Free: 200, Way: way,
		Block: netip.MustParsePrefix("10.0." + string(rune('0'+zone)) + ".0/24"), RouteTable: "rtb-" + id,
		Tags: map[string]string{"kubernetes.io/role/elb": "1", "kubernetes.io/role/internal-elb": ""},
	}
}

func having(s vpc.Subnet, change func(*vpc.Subnet)) vpc.Subnet {
	change(&s)
	return s
}

func of(subnets ...vpc.Subnet) vpc.VPC {
	return vpc.VPC{
		ID: "vpc-1", OwnerID: "222222222222", Blocks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		DNSSupport: true, DNSHostnames: true, AmazonDNS: true, Subnets: subnets,
	}
}

func request(change func(*environment.Request)) environment.Request {
	r := environment.Request{
		Name: "dev", Prefix: "opa", AccountID: "222222222222", Region: "us-east-1",
		VPCConfiguration: "use_existing", VPCID: "vpc-1", APIAccess: "private", NodeType: "FARGATE",
	}
	if change != nil {
		change(&r)
	}
	return r.WithDefaults()
}

func TestChoose(t *testing.T) {
	ordinary := of(
		subnet("a-public", 1, vpc.InternetGateway), subnet("a-small", 1, vpc.NATGateway), subnet("a-wide", 1, vpc.NATGateway),
		subnet("b-isolated", 2, vpc.Isolated), subnet("b-nat", 2, vpc.NATGateway),
		subnet("c-public", 3, vpc.InternetGateway), having(subnet("c-refused", 3, vpc.NATGateway), func(s *vpc.Subnet) { s.Unusable = "EKS does not accept its zone use1-az3" }),
		subnet("d-nat", 4, vpc.NATGateway), subnet("e-nat", 5, vpc.NATGateway),
	)
	ordinary.Subnets[1].Free = 20
	isolated := of(subnet("a", 1, vpc.Isolated), subnet("b", 2, vpc.Isolated), subnet("p", 2, vpc.InternetGateway))
	mixed := of(subnet("a", 1, vpc.NATGateway), subnet("b", 2, vpc.Isolated))
	cases := map[string]struct {
		reason          string
		vpc             vpc.VPC
		asked, earlier  []string
		public, private []string
		endpoints       []string
		isolated        bool
		says            []string
	}{
		"Automatic": {
			reason: "three zones; the roomier of two, the leading one before the isolated one, public ones of the same zones", vpc: ordinary,
			public: []string{"a-public"}, private: []string{"a-wide", "b-nat", "d-nat"}, endpoints: []string{"a-wide", "b-nat", "d-nat"},
		},
		"Earlier": {
			reason: "node groups cannot move", vpc: ordinary, earlier: []string{"a-small", "b-nat"},
			public: []string{}, private: []string{"a-small", "b-nat"}, endpoints: []string{"a-small", "b-nat"},
		},
		"EarlierGone": {
			reason: "somebody has deleted a subnet", vpc: ordinary, earlier: []string{"a-wide", "x"},
			public: []string{}, private: []string{"a-wide"}, endpoints: []string{"a-wide"}, says: []string{"/vpcId: the environment stands in x, which vpc-1 no longer has"},
		},
		"Asked": {
			reason: "several in a zone, endpoints in one of them", vpc: ordinary, asked: []string{"d-nat", "a-wide", "a-small", "c-public"},
			public: []string{"c-public"}, private: []string{"a-small", "a-wide", "d-nat"}, endpoints: []string{"a-wide", "d-nat"},
		},
		"AskedForeign": {
			reason: "not of this VPC", vpc: ordinary, asked: []string{"a-wide", "b-nat", "z"},
			public: []string{}, private: []string{"a-wide", "b-nat"}, endpoints: []string{"a-wide", "b-nat"}, says: []string{"/subnetIds: z is no subnet of vpc-1; name subnets of that VPC: a-public (us-east-1a, leads to internet gateway)"},
		},
		"AskedRefused": {
			reason: "a zone without EKS", vpc: ordinary, asked: []string{"a-wide", "b-nat", "c-refused"},
			public: []string{}, private: []string{"a-wide", "b-nat", "c-refused"}, endpoints: []string{"a-wide", "b-nat", "c-refused"}, says: []string{"c-refused cannot be used: EKS does not accept its zone use1-az3"},
		},
		"AskedOtherZones": {
			reason: "EKS keeps a cluster's zones", vpc: ordinary, asked: []string{"a-wide", "d-nat"}, earlier: []string{"a-small", "b-nat"},
			public: []string{}, private: []string{"a-wide", "d-nat"}, endpoints: []string{"a-wide", "d-nat"}, says: []string{"the subnets are in us-east-1a, us-east-1d and the cluster in us-east-1a, us-east-1b"},
		},
		"AskedSameZones": {
			reason: "another subnet of the same zone", vpc: ordinary, asked: []string{"a-wide", "b-nat"}, earlier: []string{"a-small", "b-nat"},
			public: []string{}, private: []string{"a-wide", "b-nat"}, endpoints: []string{"a-wide", "b-nat"},
		},
		"AskedPublic": {
			reason: "a function in a public subnet has no way out", vpc: ordinary, asked: []string{"a-public", "c-public"},
			public: []string{"a-public", "c-public"}, private: []string{}, endpoints: []string{}, says: []string{"/subnetIds: vpc-1 has subnets for nodes, pods and the kubectl function in 0 zones, and a cluster needs 2"},
		},
		"Isolated": {
			reason: "nothing else is there", vpc: isolated, public: []string{"p"}, private: []string{"a", "b"}, endpoints: []string{"a", "b"}, isolated: true,
		},
		"Mixed": {
			reason: "one zone with a way out is too few", vpc: mixed, public: []string{}, private: []string{"a", "b"}, endpoints: []string{"a", "b"}, isolated: true,
		},
		"OneZone": {
			reason: "a cluster needs two", vpc: of(subnet("a", 1, vpc.NATGateway), subnet("a2", 1, vpc.NATGateway)),
			public: []string{}, private: []string{"a"}, endpoints: []string{"a"}, says: []string{"in 1 zones, and a cluster needs 2", "a2 (us-east-1a, leads to NAT gateway)"},
		},
		"Empty": {reason: "a VPC without subnets", vpc: of(), public: []string{}, private: []string{}, endpoints: []string{}, says: []string{"It has no subnets."}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			choice, report := vpc.Choose(tc.vpc, request(func(r *environment.Request) { r.SubnetIDs = tc.asked }), tc.earlier)
			got := map[string][]string{"public": choice.PublicIDs(), "private": choice.PrivateIDs(), "endpoints": choice.EndpointSubnetIDs()}
			want := map[string][]string{"public": tc.public, "private": tc.private, "endpoints": tc.endpoints}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if choice.Isolated() != tc.isolated {
				t.Errorf("%s: isolated is %v", tc.reason, choice.Isolated())
			}
			check(t, tc.reason, report, tc.says, finding.Error)
		})
	}
}

// Fargate is not in every zone of Tokyo that EKS is in.
func TestChooseForFargate(t *testing.T) {
	tokyo := func(id string, zone int) vpc.Subnet {
		return having(subnet(id, zone, vpc.NATGateway), func(s *vpc.Subnet) { s.ZoneID = "apne1-az" + string(rune('0'+zone)) })
	}
	v := of(tokyo("a", 1), tokyo("b", 2), tokyo("c", 3), tokyo("d", 4))
	for nodeType, want := range map[string][]string{"FARGATE": {"a", "b", "d"}, "MANAGED": {"a", "b", "c"}} {
		r := request(func(r *environment.Request) { r.NodeType = nodeType })
		choice, report := vpc.Choose(v, r, nil)
		if diff := cmp.Diff(want, choice.PrivateIDs()); diff != "" || len(report) > 0 {
			t.Errorf("%s: %v (-want +got):\n%s", nodeType, report, diff)
		}
	}
	direct := of(tokyo("a", 1), having(tokyo("b", 2), func(s *vpc.Subnet) { s.Direct = true }), tokyo("d", 4))
	if choice, _ := vpc.Choose(direct, request(nil), nil); !cmp.Equal(choice.PrivateIDs(), []string{"a", "d"}) {
		t.Errorf("a route to an internet gateway: %v", choice.PrivateIDs())
	}
	named := request(func(r *environment.Request) { r.SubnetIDs = []string{"a", "b", "c"} })
	_, report := vpc.Choose(v, named, nil)
	check(t, "named", report, []string{"/subnetIds: c cannot be used: Fargate starts no pods in its zone apne1-az3"}, finding.Error)
	if v.Subnets[2].Unusable != "" {
		t.Error("the VPC itself was changed")
	}
}

// check looks for the texts in the findings of one severity, and for as many findings.
func check(t *testing.T, reason string, report []finding.Finding, says []string, severity finding.Severity) {
	t.Helper()
	errors, warnings := finding.Split(report)
	found := errors
	if severity == finding.Warning {
		found = warnings
	}
	if (len(found) == 0) != (len(says) == 0) {
		t.Errorf("%s: %d findings of severity %s: %v", reason, len(found), severity, found)
	}
	text := finding.Text("", found)
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("%s: %q is not in %s", reason, s, text)
		}
	}
}

// endpoint is an endpoint for the service that admits the VPC.
func endpoint(service string) vpc.Endpoint {
	return vpc.Endpoint{ID: "vpce-" + service, Service: service, PrivateDNS: true, Admits: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}
}

func TestCheck(t *testing.T) {
	type change = func(*vpc.VPC)
	gateway := vpc.Endpoint{ID: "vpce-s3", Service: "s3", Gateway: true, RouteTables: []string{"rtb-a", "rtb-b"}}
	complete := []vpc.Endpoint{endpoint("ec2"), endpoint("ecr.api"), endpoint("ecr.dkr"), endpoint("eks"), endpoint("elasticloadbalancing"), endpoint("logs"), endpoint("sts"), gateway}
	mirrored := func(r *environment.Request) { r.Chart.Repository = "s3://charts/controller.zip" }
	cases := map[string]struct {
		reason   string
		way      vpc.Way
		vpc      change
		request  func(*environment.Request)
		standing bool
		errors   []string
		warnings []string
	}{
		"NAT":   {reason: "everything leads out", way: vpc.NATGateway},
		"Other": {reason: "a transit gateway may lead anywhere", way: vpc.Elsewhere, warnings: []string{"/vpcId: the default route of a, b leads to a gateway that is no NAT gateway"}},
		"Isolated": {
			reason: "nothing leads out", way: vpc.Isolated, request: mirrored,
			errors: []string{"a, b has no way to the AWS service ec2", "service ecr.api", "service ecr.dkr", "service eks", "service elasticloadbalancing", "service logs", "service sts", "service s3", `name "sts" in interfaceEndpoints`, "gateway endpoint for S3"},
		},
		"Endpoints": {reason: "endpoints are there", way: vpc.Isolated, vpc: func(v *vpc.VPC) { v.Endpoints = complete }, request: mirrored},
		"Asked": {
			reason: "endpoints are asked for, S3 is there", way: vpc.Isolated, vpc: func(v *vpc.VPC) { v.Endpoints = []vpc.Endpoint{gateway} },
			request: func(r *environment.Request) {
				mirrored(r)
				r.InterfaceEndpoints = []string{"ec2", "ecr.api", "ecr.dkr", "eks", "elasticloadbalancing", "logs", "sts"}
			},
		},
		"Refusing": {
			reason: "an endpoint that is in the way and admits nobody", way: vpc.Isolated, request: func(r *environment.Request) {
				mirrored(r)
				r.InterfaceEndpoints = []string{"sts"}
			},
			vpc: func(v *vpc.VPC) {
				v.Endpoints = append([]vpc.Endpoint{{ID: "vpce-closed", Service: "sts", PrivateDNS: true}}, complete[:6]...)
				v.Endpoints = append(v.Endpoints, gateway)
			},
			errors:   []string{"service sts: no default route that leads out, and the security groups of vpce-closed do not admit the subnets' addresses on port 443; let the endpoint's security group admit"},
			warnings: []string{"/interfaceEndpoints: vpce-closed is an endpoint for sts already"},
		},
		"Neighbour": {
			reason: "an endpoint of another environment goes with that one", way: vpc.NATGateway,
			request: func(r *environment.Request) { r.InterfaceEndpoints = []string{"sts"} },
			vpc: func(v *vpc.VPC) {
				theirs := endpoint("sts")
				theirs.Tags = map[string]string{"eks-environment": "opa-other"}
				v.Endpoints = []vpc.Endpoint{theirs}
			},
			warnings: []string{"vpce-sts is an endpoint for sts already: it is used and left as it is, and goes with the environment opa-other, which made it; apply this environment again when that one has been removed"},
		},
		"Listed": {
			reason: "what is in a prefix list is not seen", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				v.Endpoints = append([]vpc.Endpoint{{ID: "vpce-listed", Service: "sts", PrivateDNS: true, Lists: true}, gateway}, complete[:6]...)
			},
			warnings: []string{"/vpcId: it could not be told whether a, b reach sts: the security groups of vpce-listed admit a prefix list"},
		},
		"Hub": {
			reason: "endpoints may be shared behind a transit gateway", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				v.Subnets[0].Hub, v.Subnets[1].Hub = true, true
				v.Endpoints = append([]vpc.Endpoint{gateway}, complete[:5]...)
			},
			warnings: []string{"/vpcId: it could not be told whether a, b reach logs, sts: they have a route to a transit gateway"},
		},
		"HubOfOne": {
			reason: "the other has none", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				v.Subnets[0].Hub = true
				v.Endpoints = append([]vpc.Endpoint{gateway}, complete[:6]...)
			},
			errors:   []string{"/vpcId: b has no way to the AWS service sts"},
			warnings: []string{"/vpcId: it could not be told whether a reach sts: they have a route to a transit gateway"},
		},
		"Nameless": {
			reason: "an endpoint without the usual name", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				v.Endpoints = append([]vpc.Endpoint{{ID: "vpce-own", Service: "sts", Admits: complete[0].Admits}}, complete[:6]...)
				v.Endpoints = append(v.Endpoints, gateway)
			},
			errors: []string{"vpce-own does not answer to the service's usual name"},
		},
		"OtherTable": {
			reason: "S3 for other route tables", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				v.Endpoints = append([]vpc.Endpoint{{ID: "vpce-s3", Service: "s3", Gateway: true, RouteTables: []string{"rtb-a"}}}, complete[:7]...)
			},
			errors: []string{"b has no way to the AWS service s3: no default route that leads out, and vpce-s3 is not in the subnets' route tables"},
		},
		"Dropped": {
			reason: "an endpoint of its own goes when the request no longer names it", way: vpc.Isolated, request: mirrored,
			vpc: func(v *vpc.VPC) {
				mine := endpoint("sts")
				mine.Tags = map[string]string{"eks-environment": "opa-dev"}
				v.Endpoints = append([]vpc.Endpoint{mine, gateway}, complete[:6]...)
			},
			errors: []string{"service sts: no default route that leads out, and vpce-sts is the environment's own and goes, because interfaceEndpoints does not name it", `name "sts" in interfaceEndpoints`},
		},
		"Kept": {
			reason: "an endpoint of its own that the request names", way: vpc.Isolated,
			request: func(r *environment.Request) { mirrored(r); r.InterfaceEndpoints = []string{"sts"} },
			vpc: func(v *vpc.VPC) {
				mine := endpoint("sts")
				mine.Tags = map[string]string{"eks-environment": "opa-dev"}
				v.Endpoints = append([]vpc.Endpoint{mine, gateway}, complete[:6]...)
			},
		},
		"Mirrors": {
			reason: "what comes from the internet", way: vpc.Isolated, vpc: func(v *vpc.VPC) { v.Endpoints = complete },
			request: func(r *environment.Request) { r.NodeType = "MANAGED" },
			errors:  []string{"/chart/repository: the chart of the AWS Load Balancer Controller comes from the internet", "/images/fluentBit: the image of Fluent Bit"},
		},
		"MirrorsAbroad": {
			reason: "mirrors that are not in the VPC's reach", way: vpc.Isolated, vpc: func(v *vpc.VPC) { v.Endpoints = complete },
			request: func(r *environment.Request) {
				r.NodeType, r.Chart.Repository = "MANAGED", "oci://222222222222.dkr.ecr.eu-west-1.amazonaws.com/charts/controller"
				r.Images = environment.Images{LoadBalancerController: "bitnami/controller", FluentBit: "ghcr.io/fluent/fluent-bit:4"}
			},
			errors: []string{
				"/chart/repository: the chart of the AWS Load Balancer Controller comes from 222222222222.dkr.ecr.eu-west-1.amazonaws.com, to which the VPC has no way",
				"/images/loadBalancerController: the image of the AWS Load Balancer Controller comes from docker.io, to which",
				"/images/fluentBit: the image of Fluent Bit comes from ghcr.io, to which",
			},
		},
		"MirrorsNear": {
			reason: "ECR of the region, and a registry that nobody here knows", way: vpc.Isolated, vpc: func(v *vpc.VPC) { v.Endpoints = complete },
			request: func(r *environment.Request) {
				r.NodeType, r.Chart.Repository = "MANAGED", "oci://222222222222.dkr.ecr.us-east-1.amazonaws.com/charts/controller"
				r.Images = environment.Images{LoadBalancerController: "registry.example.com/controller", FluentBit: "222222222222.dkr.ecr.us-east-1.amazonaws.com/fluent-bit:4"}
			},
		},
		"DNS":      {reason: "the API is found by DNS", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.DNSSupport, v.DNSHostnames = false, false }, errors: []string{"/vpcId: vpc-1 has enableDnsHostnames and enableDnsSupport off"}},
		"Resolver": {reason: "it may forward", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.AmazonDNS = false }, warnings: []string{"DHCP options of vpc-1 name resolvers of your own"}},
		"Full": {
			reason: "six for the control plane, one for the function, two of four pods", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[0].Free = 8 },
			errors: []string{"/vpcId: a has 8 free addresses and the environment needs 9 there: 6 for the control plane, 1 for the kubectl function, 2 for nodes and pods"},
		},
		"JustEnough": {reason: "as above", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[0].Free = 9 }},
		"Standing":   {reason: "it has its addresses", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[0].Free = 0 }, standing: true},
		"Crowd": {
			reason: "ten for each of three nodes, and endpoints", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[1].Free = 23 },
			request: func(r *environment.Request) {
				r.NodeType, r.NodeGroupMinSize, r.InterfaceEndpoints = "MANAGED", 3, []string{"sts", "ec2"}
			},
			errors: []string{"b has 23 free addresses and the environment needs 24 there", "15 for nodes and pods, 2 for endpoints"},
		},
		"Untagged": {
			reason: "load balancers look for tags", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[0].Tags = nil },
			warnings: []string{"/tagSubnets: a lack the tag kubernetes.io/role/elb or kubernetes.io/role/internal-elb"},
		},
		"Tagging": {
			reason: "they will be there", way: vpc.NATGateway, vpc: func(v *vpc.VPC) { v.Subnets[0].Tags = nil },
			request: func(r *environment.Request) { r.TagSubnets = true },
		},
		"Services": {
			reason: "EKS takes them from 172.20.0.0/16 beside a block of 10.0.0.0/8", way: vpc.NATGateway,
			vpc:      func(v *vpc.VPC) { v.Blocks = append(v.Blocks, netip.MustParsePrefix("172.20.128.0/20")) },
			warnings: []string{"block 172.20.128.0/20 of vpc-1 overlaps 172.20.0.0/16, from which EKS gives services their addresses"},
		},
		"NoServices": {
			reason: "without one, EKS takes the other range", way: vpc.NATGateway,
			vpc: func(v *vpc.VPC) { v.Blocks = []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")} },
		},
		"Blocks": {
			reason: "more blocks than the group admits", way: vpc.NATGateway, request: func(r *environment.Request) { r.InterfaceEndpoints = []string{"sts"} },
			vpc: func(v *vpc.VPC) {
				for range 5 {
					v.Blocks = append(v.Blocks, netip.MustParsePrefix("172.17.0.0/20"))
				}
			},
			errors: []string{"/interfaceEndpoints: vpc-1 has 6 address blocks"}, warnings: []string{"block 172.17.0.0/20 of vpc-1 overlaps 172.17.0.0/16"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			v := of(subnet("a", 1, tc.way), subnet("b", 2, tc.way))
			if tc.vpc != nil {
				tc.vpc(&v)
			}
			r := request(tc.request)
			choice, report := vpc.Choose(v, r, nil)
			report = append(report, vpc.Check(v, choice, r, tc.standing)...)
			check(t, tc.reason, report, tc.errors, finding.Error)
			check(t, tc.reason, report, tc.warnings, finding.Warning)
		})
	}
}

// An endpoint of the environment itself is not in its own way.
func TestExistingKnowsItsOwn(t *testing.T) {
	mine := endpoint("sts")
	mine.Tags = map[string]string{"eks-environment": "opa-dev"}
	v := of()
	v.Endpoints = []vpc.Endpoint{mine}
	if _, theirs := v.Existing("sts", "opa-dev"); theirs {
		t.Error("the environment's own endpoint counts as somebody else's")
	}
	if _, theirs := v.Existing("sts", "opa-other"); !theirs {
		t.Error("another environment's endpoint is not seen")
	}
}
