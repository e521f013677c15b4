package preflight

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// instanceAPI is what EC2 tells of instance types and of the instances that run.
type instanceAPI interface {
	ec2.DescribeInstanceTypesAPIClient
	ec2.DescribeInstanceTypeOfferingsAPIClient
	ec2.DescribeInstancesAPIClient
}

// instanceField is the field of the request that names the nodes' instance types.
func instanceField(r environment.Request) string {
	if len(r.InstanceTypes) > 1 {
		return "/instanceTypes"
	}
	return "/instanceType"
}

// instances looks whether the nodes' instance types exist, run the nodes' image, are offered in the
// zones, and whether there is room for the nodes.
func instances(ctx context.Context, s subject) ([]finding.Finding, error) {
	api := ec2.NewFromConfig(s.config)
	if s.request.ExistingVPC() && len(s.request.InstanceTypes) > 0 {
		zones, err := vpc.Zones(ctx, api, s.request, vpc.Earlier(s.stacks[s.names.NetworkStack].Parameters))
		if err != nil {
			return nil, err
		}
		s.zones = zones
	}
	return lookAtInstances(ctx, api, servicequotas.NewFromConfig(s.config), s)
}

func lookAtInstances(ctx context.Context, api instanceAPI, quotas quotaAPI, s subject) ([]finding.Finding, error) {
	names := s.request.InstanceTypes
	if len(names) == 0 {
		return nil, nil
	}
	known, err := typesOf(ctx, api, names)
	if err != nil {
		return nil, err
	}
	var found []finding.Finding
	for _, name := range names {
		info, ok := known[name]
		if !ok {
			found = append(found, finding.Errorf("InstanceTypeUnknown", instanceField(s.request), "EC2 has no instance type %s in %s", name, s.request.Region).
				WithNext("choose one of: aws ec2 describe-instance-type-offerings --region %s --query 'InstanceTypeOfferings[].InstanceType'", s.request.Region))
			continue
		}
		found = append(found, fit(info, s.request)...)
	}
	offered, err := lookAtOfferings(ctx, api, s, known)
	found = append(found, offered...)
	if err != nil || len(known) == 0 {
		return found, err
	}
	room, err := compare(ctx, quotas, s.request.Region, instanceNeeds(api, s, known))
	return append(found, room...), err
}

// typesOf returns what EC2 says of the instance types that it knows in the region.
func typesOf(ctx context.Context, api instanceAPI, names []string) (map[string]types.InstanceTypeInfo, error) {
	// A filter, because a list of types that has an unknown one is refused as a whole.
	pages := ec2.NewDescribeInstanceTypesPaginator(api, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{
		{Name: aws.String("instance-type"), Values: names},
	}})
	known := map[string]types.InstanceTypeInfo{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, info := range page.InstanceTypes {
			known[string(info.InstanceType)] = info
		}
	}
	return known, nil
}

// fit says what keeps the nodes' image from running on the type. What follows from the type's name
// the request's own rules have said already.
func fit(info types.InstanceTypeInfo, r environment.Request) []finding.Finding {
	var found []finding.Finding
	wanted := types.ArchitectureTypeX8664
	if strings.Contains(r.AMIType, "_ARM_64") {
		wanted = types.ArchitectureTypeArm64
	}
	if p := info.ProcessorInfo; p != nil && !slices.Contains(p.SupportedArchitectures, wanted) {
		found = append(found, finding.Errorf("ArchitectureMismatch", instanceField(r), "%s has %v processors, and the image %s is for %s", info.InstanceType, p.SupportedArchitectures, r.AMIType, wanted).
			WithNext("choose an amiType for the type's processors, or another type"))
	}
	switch {
	case strings.Contains(r.AMIType, "NVIDIA") && info.GpuInfo == nil:
		found = append(found, finding.Errorf("NoGPU", instanceField(r), "%s has no GPU, and the image %s is for NVIDIA's", info.InstanceType, r.AMIType).
			WithNext("choose a type with GPUs, or the amiType without NVIDIA"))
	case strings.Contains(r.AMIType, "NEURON") && info.NeuronInfo == nil && info.InferenceAcceleratorInfo == nil:
		found = append(found, finding.Errorf("NoNeuron", instanceField(r), "%s has no Neuron device, and the image %s is for them", info.InstanceType, r.AMIType).
			WithNext("choose an inf or trn type, or the amiType without NEURON"))
	}
	if pods := maxPods(info); pods > 0 && pods*r.NodeGroupMaxSize < podsOf(r.NodeGroupMaxSize) {
		found = append(found, finding.Errorf("TooFewPods", instanceField(r), "%d nodes of the type %s run %d pods at most, and CoreDNS, the load balancer controller and what runs on each node are %d",
			r.NodeGroupMaxSize, info.InstanceType, pods*r.NodeGroupMaxSize, podsOf(r.NodeGroupMaxSize)).
			WithNext("choose a larger type, or a larger nodeGroupMaxSize"))
	}
	return found
}

// maxPods is how many pods the VPC CNI has addresses for on a node of the type
// (https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html), 0 if unknown.
func maxPods(info types.InstanceTypeInfo) int {
	n := info.NetworkInfo
	if n == nil || n.MaximumNetworkInterfaces == nil || n.Ipv4AddressesPerInterface == nil {
		return 0
	}
	return int(*n.MaximumNetworkInterfaces)*(int(*n.Ipv4AddressesPerInterface)-1) + 2
}

// podsOf is how many pods an environment has before its first application: aws-node, kube-proxy and
// Fluent Bit on each node, two each of CoreDNS and the load balancer controller.
func podsOf(nodes int) int { return 3*nodes + 4 }

// lookAtOfferings looks in which of the environment's zones the types are offered. EKS gives the group
// all subnets. It asks EC2 beforehand, and refuses a group with a zone that does not have the type: "Your
// requested instance type (…) is not supported in your requested Availability Zone"
// (https://github.com/eksctl-io/eksctl/issues/6461).
func lookAtOfferings(ctx context.Context, api instanceAPI, s subject, known map[string]types.InstanceTypeInfo) ([]finding.Finding, error) {
	if len(known) == 0 || len(s.zones) == 0 {
		return nil, nil
	}
	names := slices.Sorted(maps.Keys(known))
	offered, err := offersOf(ctx, api, names, s.zones)
	if err != nil {
		return nil, err
	}
	// The zones that have none of the types, and those that have only some.
	var without, short []string
	for _, zone := range s.zones {
		switch len(offered[zone]) {
		case 0:
			without = append(without, zone)
		case len(names):
		default:
			short = append(short, zone)
		}
	}
	which := strings.Join(names, " or ")
	other := ""
	if s.request.ExistingVPC() {
		other = "name subnets in other zones in subnetIds, or "
	}
	wayOut := func(f finding.Finding) []finding.Finding {
		return []finding.Finding{f.WithNext("%schoose types that all of %s have: aws ec2 describe-instance-type-offerings --region %s --location-type availability-zone --filters Name=location,Values=%s",
			other, strings.Join(s.zones, ", "), s.request.Region, strings.Join(s.zones, ","))}
	}
	field := instanceField(s.request)
	switch {
	case len(without) == len(s.zones):
		return wayOut(finding.Errorf("InstanceTypeNotOffered", field, "%s is not offered in the environment's zones: %s", which, strings.Join(s.zones, ", "))), nil
	case len(without) > 0 && !s.groupStands():
		return wayOut(finding.Errorf("InstanceTypeNotOffered", field, "%s is not offered in %s, where the environment has a subnet: EKS refuses a node group with it", which, strings.Join(without, ", "))), nil
	case len(without) > 0:
		return wayOut(finding.Warningf("InstanceTypeNotOffered", field, "%s is not offered in %s, where no node will start; the other zones of the environment have it", which, strings.Join(without, ", "))), nil
	case len(short) > 0:
		return wayOut(finding.Warningf("InstanceTypeNotOffered", field, "not all of %s are offered in %s: EKS may refuse a node group with them", strings.Join(names, ", "), strings.Join(short, ", "))), nil
	}
	return nil, nil
}

// groupStands reports whether the environment has a node group that the request leaves its instance types.
func (s subject) groupStands() bool {
	live := s.stacks[s.names.CapacityStack].Parameters
	return live != nil && !anotherGroup(live, s.request) && !changed(live, "InstanceType", s.request.InstanceType)
}

// offersOf returns by zone the types that are offered there.
func offersOf(ctx context.Context, api instanceAPI, names, zones []string) (map[string][]string, error) {
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(api, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone,
		Filters: []types.Filter{
			{Name: aws.String("instance-type"), Values: names},
			{Name: aws.String("location"), Values: zones},
		},
	})
	offered := map[string][]string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.InstanceTypeOfferings {
			zone := aws.ToString(o.Location)
			offered[zone] = append(offered[zone], string(o.InstanceType))
		}
	}
	return offered, nil
}
