package preflight

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// class is a group of instance families that share a quota of vCPUs.
type class struct {
	what, onDemand, spot string
}

// classOf returns the class of an instance type by its family
// (https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html); false where it has none of its own.
func classOf(instanceType string) (class, bool) {
	digit := strings.IndexFunc(instanceType, unicode.IsDigit)
	switch instanceType[:max(digit, 0)] {
	case "a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z":
		return class{"Standard (A, C, D, H, I, M, R, T, Z)", "L-1216C47A", "L-34B43A08"}, true
	case "g", "gr", "vt":
		return class{"G and VT", "L-DB2E81BA", "L-3819A6DF"}, true
	case "p":
		return class{"P", "L-417A185B", "L-7212CCBC"}, true
	case "inf":
		return class{"Inf", "L-1945791B", "L-B5D1601B"}, true
	case "trn":
		return class{"Trn", "L-2C3B7624", "L-6B0D517C"}, true
	case "x":
		return class{"X", "L-7295265B", "L-E3A00192"}, true
	case "f":
		return class{"F", "L-74FC7D96", "L-88CF9481"}, true
	case "dl":
		return class{"DL", "L-6E869C2A", "L-85EED4F7"}, true
	}
	return class{}, false
}

// instanceNeeds are the vCPUs of the nodes that are to come. Of several types, the largest counts.
func instanceNeeds(api instanceAPI, s subject, known map[string]types.InstanceTypeInfo) []need {
	now, later := newNodes(s)
	if now <= 0 && later <= 0 {
		return nil
	}
	largest := map[class]int{}
	for name, info := range known {
		if c, ok := classOf(name); ok && info.VCpuInfo != nil {
			largest[c] = max(largest[c], int(aws.ToInt32(info.VCpuInfo.DefaultVCpus)))
		}
	}
	spot := s.request.CapacityType == environment.CapacitySpot
	var needs []need
	for c, cpus := range largest {
		what, code := "vCPUs of running On-Demand instances", c.onDemand
		if spot {
			what, code = "vCPUs of Spot instances", c.spot
		}
		needs = append(needs, need{
			fmt.Sprintf("%s, %s, in %s", what, c.what, s.request.Region), "ec2", code, "/nodeGroupDesiredSize", now * cpus, later * cpus,
			func(ctx context.Context) (int, error) { return runningCPUs(ctx, api, c, spot) },
		})
	}
	return needs
}

// runningCPUs counts the vCPUs of the class' instances that run or start; Spot instances have quotas of
// their own.
func runningCPUs(ctx context.Context, api instanceAPI, c class, spot bool) (int, error) {
	pages := ec2.NewDescribeInstancesPaginator(api, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}},
	}})
	return total(ctx, pages.HasMorePages, func(ctx context.Context) (int, error) {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		sum := 0
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				of, _ := classOf(string(i.InstanceType))
				if of == c && (i.InstanceLifecycle == types.InstanceLifecycleTypeSpot) == spot && i.CpuOptions != nil {
					sum += int(aws.ToInt32(i.CpuOptions.CoreCount)) * int(aws.ToInt32(i.CpuOptions.ThreadsPerCore))
				}
			}
		}
		return sum, nil
	})
}

// newNodes is how many nodes the group starts at once, and how many it may come to start.
func newNodes(s subject) (now, later int) {
	r := s.request
	live := s.stacks[s.names.CapacityStack].Parameters
	have, err := strconv.Atoi(live["DesiredSize"])
	switch {
	case err != nil:
		return r.NodeGroupDesiredSize, r.NodeGroupMaxSize
	case anotherGroup(live, r):
		// It takes over, with as many nodes, before the first one goes.
		return have, r.NodeGroupMaxSize
	case changed(live, "InstanceType", r.InstanceType):
		return 1, max(r.NodeGroupMaxSize, atOnce(s))
	}
	now, later = max(r.NodeGroupMinSize-have, 0), max(r.NodeGroupMaxSize-have, 0)
	if changed(live, "KubernetesVersion", r.KubernetesVersion) || changed(live, "DiskSize", strconv.Itoa(r.NodeGroupDiskSize)) {
		later = max(later, atOnce(s))
	}
	return now, later
}

// anotherGroup reports whether r changes what is create-only of a node group whose stack has the parameters.
func anotherGroup(live map[string]string, r environment.Request) bool {
	return live["InstanceTypes"] != several(r) || live["AmiType"] != r.AMIType || cmp.Or(live["CapacityType"], environment.CapacityOnDemand) != r.CapacityType
}

// changed reports whether a stack with the parameters has another value.
func changed(live map[string]string, parameter, want string) bool {
	have, known := live[parameter]
	return known && have != want
}

// atOnce is how many nodes EKS starts at most, before the first one goes, to replace those of a group one
// after the other (https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html).
func atOnce(s subject) int { return max(2*len(s.zones), s.request.NodeUpdate.MaxUnavailable) }

// several are the instance types as the node group's stack has them, where there is more than one.
func several(r environment.Request) string {
	if len(r.InstanceTypes) < 2 {
		return ""
	}
	return strings.Join(r.InstanceTypes, ",")
}
