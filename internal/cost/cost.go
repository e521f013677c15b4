// Package cost estimates what an environment costs in a month. It is a help for a first look, not
// a bill: list prices of one region, no traffic, no discounts.
package cost

import (
	"fmt"
	"math"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// PriceDate is when the prices below were gathered. They are list prices of us-east-1 in USD:
// https://aws.amazon.com/eks/pricing/ https://aws.amazon.com/vpc/pricing/
// https://aws.amazon.com/kms/pricing/ https://aws.amazon.com/ec2/pricing/on-demand/
// https://aws.amazon.com/ebs/pricing/ https://aws.amazon.com/fargate/pricing/
const PriceDate = "2026-11-22"

const (
	hours = 730 // AWS' own month

	clusterHour     = 0.10
	natHour         = 0.045
	publicIPv4Hour  = 0.005
	endpointHour    = 0.01 // per zone
	keyMonth        = 1.00
	gp3GiBMonth     = 0.08
	fargateCPUHour  = 0.04048
	fargateGiBHour  = 0.004445
	systemPodCPU    = 0.25 // the smallest Fargate size, which the system pods get
	systemPodGiB    = 1.0  // 0.5 GiB and the 256 MiB that EKS adds, rounded up to Fargate's next size
	fargateSystem   = 4    // CoreDNS and the load balancer controller, two replicas each
	customerKeys    = 2
	addressesPerNAT = 1
)

// instanceHour is the price of the instance types that the Harmonix form offers.
func instanceHour(instanceType string) (float64, bool) {
	switch instanceType {
	case "m5.large":
		return 0.096, true
	case "t3.medium":
		return 0.0416, true
	default:
		return 0, false
	}
}

// Estimate is what an environment costs in a month.
type Estimate struct {
	Currency string `json:"currency"`
	// Monthly is the sum of the items.
	Monthly float64 `json:"monthly"`
	Items   []Item  `json:"items"`
	// NotIncluded names what has no price here.
	NotIncluded []string `json:"notIncluded"`
	PriceDate   string   `json:"priceDate"`
	PriceRegion string   `json:"priceRegion"`
}

// Item is one kind of thing.
type Item struct {
	What    string  `json:"what"`
	Count   int     `json:"count"`
	Monthly float64 `json:"monthly"`
}

// Of estimates s, a finished environment.
func Of(s environment.State) Estimate {
	e := Estimate{
		Currency: "USD", PriceDate: PriceDate, PriceRegion: "us-east-1", Items: []Item{},
		NotIncluded: []string{"traffic", "logs", "requests", "what runs in the cluster"},
	}
	e.add("EKS control plane", 1, clusterHour*hours)
	e.add("customer managed KMS key", customerKeys, keyMonth)
	if s.Egress != nil {
		e.add("NAT gateway with its address", len(s.Egress.NATGatewayIDs), (natHour+addressesPerNAT*publicIPv4Hour)*hours)
		e.add("interface endpoint in a zone", len(s.Egress.InterfaceEndpoints)*len(s.Network.EndpointSubnetIDs), endpointHour*hours)
	}
	switch s.Request.NodeType {
	case environment.NodeTypeManaged:
		nodes := s.Request.NodeGroupDesiredSize
		// On demand the first type of several is the one that AWS takes if it can.
		preferred := s.Request.InstanceTypes[0]
		hour, known := instanceHour(preferred)
		switch {
		case s.Request.CapacityType == environment.CapacitySpot:
			e.NotIncluded = append(e.NotIncluded, fmt.Sprintf("%d spot nodes, whose price changes by the hour", nodes))
		case known:
			e.add(preferred+" node", nodes, hour*hours)
		default:
			e.NotIncluded = append(e.NotIncluded, fmt.Sprintf("%d %s nodes", nodes, preferred))
		}
		e.add(fmt.Sprintf("gp3 volume of %d GiB", s.Request.NodeGroupDiskSize), nodes, gp3GiBMonth*float64(s.Request.NodeGroupDiskSize))
	case environment.NodeTypeFargate:
		e.add("Fargate system pod", fargateSystem, (systemPodCPU*fargateCPUHour+systemPodGiB*fargateGiBHour)*hours)
	}
	for _, item := range e.Items {
		e.Monthly += item.Monthly
	}
	e.Monthly = cents(e.Monthly)
	return e
}

func (e *Estimate) add(what string, count int, each float64) {
	if count > 0 {
		e.Items = append(e.Items, Item{What: what, Count: count, Monthly: cents(float64(count) * each)})
	}
}

func cents(amount float64) float64 { return math.Round(amount*100) / 100 }
