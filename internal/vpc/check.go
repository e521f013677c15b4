package vpc

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// The codes of what can be wrong with a VPC.
const (
	codeSubnets   = "SubnetUnusable"
	codeZones     = "ZonesMissing"
	codeDNS       = "DNSDisabled"
	codeAddresses = "AddressesMissing"
	codeWayOut    = "WayOutMissing"
	codeEndpoint  = "EndpointExists"
	codeMirror    = "MirrorMissing"
	codeTags      = "SubnetTagsMissing"
)

// MaxBlocks is how many address blocks of a VPC the group of new endpoints admits: as many as a VPC has
// unless its quota was raised.
const MaxBlocks = 5

// Required lists the AWS services that an environment's subnets have to reach: what nodes, pods, the
// add-ons and the kubectl function call (aws-traps.md, rows 5.15 and 5.16;
// https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html).
func Required() []string {
	return []string{"ec2", "ecr.api", "ecr.dkr", "eks", "elasticloadbalancing", "logs", "s3", "sts"}
}

// Check reports what the VPC lacks for r in the chosen subnets. An environment that stands there already
// has its addresses.
func Check(v VPC, c Choice, r environment.Request, standing bool) []finding.Finding {
	report := slices.Concat(dns(v), waysOut(v, c, r), mirrors(c, r), duplicates(v, r), blocks(v, r), tagged(c, r))
	if !standing {
		report = append(report, addresses(v, c, r)...)
	}
	return report
}

// dns reports attributes without which nodes and function do not find a private Kubernetes API
// (aws-traps.md, row 5.2).
func dns(v VPC) []finding.Finding {
	var off []string
	for name, on := range map[string]bool{"enableDnsSupport": v.DNSSupport, "enableDnsHostnames": v.DNSHostnames} {
		if !on {
			off = append(off, name)
		}
	}
	slices.Sort(off)
	var report []finding.Finding
	if len(off) > 0 {
		report = append(report, finding.Errorf(codeDNS, "/vpcId", "%s has %s off: the private address of the Kubernetes API is not found without it", v.ID, strings.Join(off, " and ")).
			WithNext("aws ec2 modify-vpc-attribute --vpc-id %s --enable-dns-support, and the same with --enable-dns-hostnames", v.ID))
	}
	if !v.AmazonDNS {
		report = append(report, finding.Warningf(codeDNS, "/vpcId", "the DHCP options of %s name resolvers of your own", v.ID).
			WithNext("let them forward to the VPC's resolver, or the private address of the Kubernetes API is not found"))
	}
	return report
}

// waysOut reports services that a private subnet does not reach.
func waysOut(v VPC, c Choice, r environment.Request) []finding.Finding {
	var report []finding.Finding
	var elsewhere []string
	unreached, hidden := map[string][]string{}, map[string]unseen{}
	name := environment.NamesOf(r).Environment
	for _, s := range c.Private {
		switch s.Way {
		case Elsewhere:
			elsewhere = append(elsewhere, s.ID)
		case Isolated:
			for _, service := range Required() {
				if v.reaches(s, service, r) {
					continue
				}
				if why := v.unclear(s, service, name); why != "" {
					hidden[why] = hidden[why].with(s.ID, service)
					continue
				}
				unreached[service] = append(unreached[service], s.ID)
			}
		default:
		}
	}
	for _, service := range Required() {
		if subnets := unreached[service]; len(subnets) > 0 {
			report = append(report, finding.Errorf(codeWayOut, "/vpcId", "%s has no way to the AWS service %s: no default route that leads out, and %s", strings.Join(subnets, ", "), service, v.lacks(service, name)).
				WithNext("%s", v.remedy(service, name)))
		}
	}
	for _, why := range slices.Sorted(maps.Keys(hidden)) {
		h := hidden[why]
		report = append(report, finding.Warningf(codeWayOut, "/vpcId", "it could not be told whether %s reach %s: %s", strings.Join(h.subnets, ", "), strings.Join(h.services, ", "), why).
			WithNext("see that they do, by the services' usual names and on port 443, or nodes do not join"))
	}
	if len(elsewhere) > 0 {
		report = append(report, finding.Warningf(codeWayOut, "/vpcId", "the default route of %s leads to a gateway that is no NAT gateway, and EC2 does not show what is behind it", strings.Join(elsewhere, ", ")).
			WithNext("see that %s can be reached from there on port 443, or nodes do not join", strings.Join(Required(), ", ")))
	}
	return report
}

// unseen are the subnets and services of which, for one reason, is not known whether the ones reach the others.
type unseen struct{ subnets, services []string }

func (u unseen) with(subnet, service string) unseen {
	if !slices.Contains(u.subnets, subnet) {
		u.subnets = append(u.subnets, subnet)
	}
	if !slices.Contains(u.services, service) {
		u.services = append(u.services, service)
	}
	return u
}

// unclear says why it cannot be told that the isolated subnet does not reach the service, "" if it can.
func (v VPC) unclear(s Subnet, service, name string) string {
	for _, e := range v.Endpoints {
		if e.Service == service && e.PrivateDNS && e.Lists && !e.of(name) {
			return "the security groups of " + e.ID + " admit a prefix list"
		}
	}
	if s.Hub {
		return "they have a route to a transit gateway, behind which the VPC's names may lead to endpoints that are shared"
	}
	return ""
}

// reaches reports whether the isolated subnet reaches the service by an endpoint of others that is there,
// or by one that r asks for. One of the environment's own that r does not name goes.
func (v VPC) reaches(s Subnet, service string, r environment.Request) bool {
	name := environment.NamesOf(r).Environment
	for _, e := range v.Endpoints {
		if e.Service == service && e.serves(s) && !e.of(name) {
			return true
		}
	}
	_, theirs := v.Existing(service, name)
	return slices.Contains(r.InterfaceEndpoints, service) && !theirs
}

// lacks says why the VPC's endpoints for a service do not serve the environment of that name.
func (v VPC) lacks(service, name string) string {
	var reasons []string
	for _, e := range v.Endpoints {
		switch {
		case e.Service != service:
		case e.of(name):
			reasons = append(reasons, e.ID+" is the environment's own and goes, because interfaceEndpoints does not name it")
		case e.Gateway:
			reasons = append(reasons, e.ID+" is not in the subnets' route tables")
		case !e.PrivateDNS:
			reasons = append(reasons, e.ID+" does not answer to the service's usual name (private DNS is off)")
		default:
			reasons = append(reasons, "the security groups of "+e.ID+" do not admit the subnets' addresses on port 443")
		}
	}
	if len(reasons) == 0 {
		return "the VPC has no endpoint for it"
	}
	return strings.Join(reasons, ", ")
}

// remedy says how the environment of that name can reach a service. What is there already is not ours to change.
func (v VPC) remedy(service, name string) string {
	switch {
	case service == "s3":
		return "add the subnets' route tables to a gateway endpoint for S3, which costs nothing; the provider does not change route tables that it did not make"
	case slices.ContainsFunc(v.Endpoints, func(e Endpoint) bool { return e.Service == service && e.PrivateDNS && !e.of(name) }):
		return "let the endpoint's security group admit the VPC's addresses on port 443"
	}
	return fmt.Sprintf("name %q in interfaceEndpoints, or make an endpoint with private DNS", service)
}

// mirrors reports what would be fetched from the internet by an environment that has no way there.
func mirrors(c Choice, r environment.Request) []finding.Finding {
	if !c.Isolated() {
		return nil
	}
	var report []finding.Finding
	far := func(field, what, from, next string) {
		report = append(report, finding.Errorf(codeMirror, field, "the %s comes from %s, to which the VPC has no way", what, from).WithNext("%s", next))
	}
	const chart, chartMirror = "chart of the AWS Load Balancer Controller", "name a mirror: oci:// in ECR, or s3:// in the environment's region"
	repository, isOCI := strings.CutPrefix(r.Chart.Repository, "oci://")
	if repository == "" || strings.HasPrefix(repository, "https://") {
		far("/chart/repository", chart, "the internet", chartMirror)
	} else if host, outside := abroad(repository, r.Region); isOCI && outside {
		far("/chart/repository", chart, host, chartMirror)
	}
	const imageMirror = "copy it into an ECR repository of the environment's region and name that"
	if image := r.Images.LoadBalancerController; image != "" {
		if host, outside := abroad(image, r.Region); outside {
			far("/images/loadBalancerController", "image of the AWS Load Balancer Controller", host, imageMirror)
		}
	}
	if r.NodeType == environment.NodeTypeManaged {
		if host, outside := abroad(cmp.Or(r.Images.FluentBit, "public.ecr.aws/"), r.Region); outside {
			far("/images/fluentBit", "image of Fluent Bit", host, imageMirror)
		}
	}
	return report
}

// ecr finds the region of a host of ECR.
var ecr = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com$`)

// abroad returns the registry's host in the name of an image or chart, and whether it is known to be
// outside of a VPC in the region: a public one, or ECR in another region. Of others nothing is known.
func abroad(name, region string) (host string, outside bool) {
	host, _, _ = strings.Cut(name, "/")
	if !strings.ContainsAny(host, ".:") {
		return "docker.io", true // as container engines read a name without a host
	}
	if m := ecr.FindStringSubmatch(host); m != nil {
		return host, m[1] != region
	}
	public := []string{"docker.io", "registry-1.docker.io", "gcr.io", "ghcr.io", "mcr.microsoft.com", "public.ecr.aws", "quay.io", "registry.k8s.io"}
	return host, slices.Contains(public, host)
}

// duplicates reports endpoints that r asks for and that are there: a name leads to one of them only
// (aws-traps.md, row 1.54).
func duplicates(v VPC, r environment.Request) []finding.Finding {
	var report []finding.Finding
	for _, service := range r.InterfaceEndpoints {
		e, ok := v.Existing(service, environment.NamesOf(r).Environment)
		if !ok {
			continue
		}
		found := finding.Warningf(codeEndpoint, "/interfaceEndpoints", "%s is an endpoint for %s already: it is used and left as it is", e.ID, service)
		if owner := e.Tags[environment.Tag]; owner != "" {
			found.Found += ", and goes with the environment " + owner + ", which made it"
			found = found.WithNext("apply this environment again when that one has been removed")
		}
		report = append(report, found)
	}
	return report
}

// blocks reports what the blocks of the VPC make difficult.
func blocks(v VPC, r environment.Request) []finding.Finding {
	var report []finding.Finding
	if len(r.InterfaceEndpoints) > 0 && len(v.Blocks) > MaxBlocks {
		report = append(report, finding.Errorf(codeEndpoint, "/interfaceEndpoints", "%s has %d address blocks, and the security group of new endpoints admits %d", v.ID, len(v.Blocks), MaxBlocks).
			WithNext("make the endpoints yourself, and leave interfaceEndpoints out"))
	}
	// The bridge of container engines; see [environment.Request.Warnings].
	docker := netip.MustParsePrefix("172.17.0.0/16")
	for _, b := range v.Blocks {
		if b.Overlaps(docker) {
			report = append(report, finding.Warningf(codeSubnets, "/vpcId", "block %s of %s overlaps %s, which container engines use for their own bridge", b, v.ID, docker).
				WithNext("nothing, unless applications are to reach addresses of that block from containers of an engine of their own"))
		}
	}
	ten, services := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.20.0.0/16")
	if slices.ContainsFunc(v.Blocks, ten.Overlaps) {
		for _, b := range v.Blocks {
			if b.Overlaps(services) {
				report = append(report, finding.Warningf(codeSubnets, "/vpcId", "block %s of %s overlaps %s, from which EKS gives services their addresses where a VPC has a block of %s: EKS refuses the cluster, or its pods do not reach the block", b, v.ID, services, ten).
					WithNext("name another VPC, unless no pod is to reach that block"))
			}
		}
	}
	return report
}

// podsOnFargate is how many pods an environment starts with, each with an address of its own: two of
// CoreDNS and two of the load balancer controller.
const podsOnFargate = 4

// addresses counts what the environment takes of each private subnet.
func addresses(v VPC, c Choice, r environment.Request) []finding.Finding {
	if len(c.Private) == 0 {
		return nil
	}
	pods := podsOnFargate
	if r.NodeType == environment.NodeTypeManaged {
		pods = environment.AddressesPerNode * r.NodeGroupDesiredSize
	}
	pods = (pods + len(c.Private) - 1) / len(c.Private)
	endpoints := 0
	for _, service := range r.InterfaceEndpoints {
		if _, theirs := v.Existing(service, environment.NamesOf(r).Environment); !theirs {
			endpoints++
		}
	}
	var report []finding.Finding
	for _, s := range c.Private {
		need := environment.ControlPlaneAddresses + environment.FunctionAddresses + pods
		text := fmt.Sprintf("%d for the control plane, %d for the kubectl function, %d for nodes and pods", environment.ControlPlaneAddresses, environment.FunctionAddresses, pods)
		if endpoints > 0 && slices.Contains(c.EndpointSubnetIDs(), s.ID) {
			need += endpoints
			text += fmt.Sprintf(", %d for endpoints", endpoints)
		}
		if s.Free < need {
			report = append(report, finding.Errorf(codeAddresses, fieldOf(r), "%s has %d free addresses and the environment needs %d there: %s", s.ID, s.Free, need, text).
				WithNext("free addresses, or name larger subnets in subnetIds"))
		}
	}
	for _, s := range c.Public {
		if s.Free < environment.ControlPlaneAddresses {
			report = append(report, finding.Errorf(codeAddresses, fieldOf(r), "%s has %d free addresses and EKS asks for %d in each subnet of a cluster", s.ID, s.Free, environment.ControlPlaneAddresses).
				WithNext("free addresses, or leave the subnet out of subnetIds"))
		}
	}
	return report
}

// fieldOf is the field that chooses the subnets.
func fieldOf(r environment.Request) string {
	if len(r.SubnetIDs) > 0 {
		return "/subnetIds"
	}
	return "/vpcId"
}

// tagged reports subnets that load balancers do not find.
func tagged(c Choice, r environment.Request) []finding.Finding {
	if r.TagSubnets {
		return nil
	}
	var untagged []string
	for id := range Untagged(c) {
		untagged = append(untagged, id)
	}
	if len(untagged) == 0 {
		return nil
	}
	slices.Sort(untagged)
	return []finding.Finding{finding.Warningf(codeTags, "/tagSubnets", "%s lack the tag %s or %s, by which load balancers find their subnets", strings.Join(untagged, ", "), publicTag, privateTag).
		WithNext("send tagSubnets true, tag them yourself, or name the subnets in each Ingress and Service")}
}
