package vpc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

const (
	minZones = 2
	// maxZones is how many zones are used where the request names no subnets, as in a VPC of our own.
	maxZones = 3
)

// Choice is the subnets that an environment uses, each kind in the order of the zones.
type Choice struct {
	// Public subnets are those of the cluster and of load balancers that face the internet.
	Public []Subnet
	// Private subnets are those of the cluster, of nodes and pods, and of the kubectl function.
	Private []Subnet
}

// Choose picks the subnets for r: those that it names, those of an earlier choice, or one of each kind
// in up to three zones. An earlier choice stays, because a node group and a Fargate profile cannot move
// to another subnet. What is wrong with the choice is in the report.
func Choose(v VPC, r environment.Request, earlier []string) (Choice, []finding.Finding) {
	if r.NodeType == environment.NodeTypeFargate {
		v.Subnets = forFargate(v.Subnets)
	}
	switch {
	case len(r.SubnetIDs) > 0:
		return named(v, r, earlier)
	case len(earlier) > 0:
		choice, missing := v.pick(earlier)
		if len(missing) > 0 {
			return choice, []finding.Finding{finding.Errorf(codeSubnets, "/vpcId",
				"the environment stands in %s, which %s no longer has", strings.Join(missing, ", "), v.ID).
				WithNext("name subnets of the VPC in the same zones in subnetIds; nodes and pods are made anew in them")}
		}
		return choice, nil
	}
	choice := v.automatic()
	return choice, zonesOf(v, choice, "/vpcId")
}

// forFargate returns the subnets with those marked as unusable that no pod starts in. Fargate takes only
// subnets without a direct route to an internet gateway
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateFargateProfile.html).
func forFargate(subnets []Subnet) []Subnet {
	marked := slices.Clone(subnets)
	for i, s := range marked {
		switch {
		case s.Unusable != "" || s.Way == InternetGateway:
		case RefusedByFargate(s.ZoneID):
			marked[i].Unusable = "Fargate starts no pods in its zone " + s.ZoneID
		case s.Direct:
			marked[i].Unusable = "a route of " + s.RouteTable + " leads to an internet gateway, and Fargate takes no such subnet"
		}
	}
	return marked
}

// named is the choice that r makes itself.
func named(v VPC, r environment.Request, earlier []string) (Choice, []finding.Finding) {
	const field = "/subnetIds"
	choice, missing := v.pick(r.SubnetIDs)
	var report []finding.Finding
	for _, id := range missing {
		report = append(report, finding.Errorf(string(fault.InvalidRequest), field, "%s is no subnet of %s", id, v.ID).
			WithNext("name subnets of that VPC: %s", v.list()))
	}
	for _, s := range slices.Concat(choice.Public, choice.Private) {
		if s.Unusable != "" {
			report = append(report, finding.Errorf(codeSubnets, field, "%s cannot be used: %s", s.ID, s.Unusable).WithNext("leave it out"))
		}
	}
	before, _ := v.pick(earlier)
	was, is := zonesIn(before.all()), zonesIn(choice.all())
	if len(earlier) > 0 && !slices.Equal(was, is) {
		report = append(report, finding.Errorf(codeSubnets, field, "the subnets are in %s and the cluster in %s: EKS keeps a cluster's zones", strings.Join(is, ", "), strings.Join(was, ", ")).
			WithNext("name subnets in the same zones"))
	}
	if len(report) > 0 {
		return choice, report
	}
	return choice, zonesOf(v, choice, field)
}

// pick returns the subnets with the ids in their order, and the ids that the VPC does not have.
func (v VPC) pick(ids []string) (choice Choice, missing []string) {
	for _, id := range ids {
		if !slices.ContainsFunc(v.Subnets, func(s Subnet) bool { return s.ID == id }) {
			missing = append(missing, id)
		}
	}
	for _, s := range v.Subnets {
		switch {
		case !slices.Contains(ids, s.ID):
		case s.Way == InternetGateway:
			choice.Public = append(choice.Public, s)
		default:
			choice.Private = append(choice.Private, s)
		}
	}
	return choice, missing
}

// automatic chooses one private subnet in each of up to three zones, and one public in each of the same.
// Isolated subnets are chosen only where fewer than two zones have a way out.
func (v VPC) automatic() Choice {
	usable := slices.DeleteFunc(slices.Clone(v.Subnets), func(s Subnet) bool { return s.Unusable != "" })
	leading := best(usable, func(s Subnet) bool { return s.Way == NATGateway || s.Way == Elsewhere }, nil)
	if len(leading) < minZones {
		leading = best(usable, func(s Subnet) bool { return s.Way != InternetGateway }, nil)
	}
	choice := Choice{Private: leading[:min(len(leading), maxZones)]}
	choice.Public = best(usable, func(s Subnet) bool {
		return s.Way == InternetGateway && s.Free >= environment.ControlPlaneAddresses
	}, zonesIn(choice.Private))
	return choice
}

// best returns one of the subnets for each zone, or each of the given zones: the one that leads further,
// then the one with more free addresses, then the one with the smaller id.
func best(subnets []Subnet, suits func(Subnet) bool, zones []string) []Subnet {
	var chosen []Subnet
	for _, s := range subnets { // in the order of zone and id
		if !suits(s) || zones != nil && !slices.Contains(zones, s.Zone) {
			continue
		}
		last := len(chosen) - 1
		switch {
		case last < 0 || chosen[last].Zone != s.Zone:
			chosen = append(chosen, s)
		case rank(s) < rank(chosen[last]) || rank(s) == rank(chosen[last]) && s.Free > chosen[last].Free:
			chosen[last] = s
		}
	}
	return chosen
}

func rank(s Subnet) int { return slices.Index([]Way{NATGateway, Elsewhere, Isolated}, s.Way) }

// zonesOf reports a choice in too few zones.
func zonesOf(v VPC, c Choice, field string) []finding.Finding {
	zones := zonesIn(c.Private)
	if len(zones) >= minZones {
		return nil
	}
	return []finding.Finding{finding.Errorf(codeZones, field,
		"%s has subnets for nodes, pods and the kubectl function in %d zones, and a cluster needs %d; a subnet whose default route leads to an internet gateway is none of them: a function in it has no way out. %s", v.ID, len(zones), minZones, sentence(v.list())).
		WithNext("give subnets of two zones a default route to a NAT gateway, or make them reach the AWS services that nodes call by endpoints")}
}

func sentence(list string) string {
	if list == "" {
		return "It has no subnets."
	}
	return "Its subnets: " + list + "."
}

// maxListed bounds how many subnets a finding names.
const maxListed = 12

// list describes the VPC's subnets.
func (v VPC) list() string {
	var texts []string
	for i, s := range v.Subnets {
		if i == maxListed {
			texts = append(texts, fmt.Sprintf("and %d more", len(v.Subnets)-i))
			break
		}
		what := "leads to " + string(s.Way)
		if s.Way == Isolated {
			what = "leads nowhere"
		}
		if s.Unusable != "" {
			what = s.Unusable
		}
		texts = append(texts, fmt.Sprintf("%s (%s, %s)", s.ID, s.Zone, what))
	}
	return strings.Join(texts, ", ")
}

func (c Choice) all() []Subnet { return slices.Concat(c.Public, c.Private) }

// zonesIn returns the zones of the subnets, in the order of their ids.
func zonesIn(subnets []Subnet) []string {
	var zones []string
	for _, s := range slices.SortedFunc(slices.Values(subnets), func(a, b Subnet) int { return strings.Compare(a.ZoneID, b.ZoneID) }) {
		if !slices.Contains(zones, s.Zone) {
			zones = append(zones, s.Zone)
		}
	}
	return zones
}

// PublicIDs and PrivateIDs are the subnets' ids.
func (c Choice) PublicIDs() []string { return ids(c.Public) }

// PrivateIDs are the ids of the private subnets.
func (c Choice) PrivateIDs() []string { return ids(c.Private) }

// EndpointSubnetIDs are the private subnets that interface endpoints stand in: one in each zone, because
// EC2 takes no more (aws-traps.md, row 1.53).
func (c Choice) EndpointSubnetIDs() []string {
	return ids(best(c.Private, func(Subnet) bool { return true }, nil))
}

// Isolated reports whether a private subnet of the choice has no way out.
func (c Choice) Isolated() bool {
	return slices.ContainsFunc(c.Private, func(s Subnet) bool { return s.Way == Isolated })
}

func ids(subnets []Subnet) []string {
	all := make([]string, len(subnets))
	for i, s := range subnets {
		all[i] = s.ID
	}
	return all
}
