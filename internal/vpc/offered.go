package vpc

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// OfferAPI is what EC2 tells of the services that endpoints lead to.
type OfferAPI interface {
	DescribeVpcEndpointServices(ctx context.Context, in *ec2.DescribeVpcEndpointServicesInput, opts ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointServicesOutput, error)
}

// Offered reports the services that are not to be had in each of the zones, which are known by their
// names: EC2 refuses an interface endpoint that has a subnet in such a zone (aws-traps.md, row 1.53).
func Offered(ctx context.Context, api OfferAPI, r environment.Request, services, zones []string) ([]finding.Finding, error) {
	if len(services) == 0 || len(zones) == 0 {
		return nil, nil
	}
	offers, err := offersOf(ctx, api, r.Region, services)
	if err != nil {
		return nil, account.Classify(err, "read the endpoint services of %s", r.Region)
	}
	var report []finding.Finding
	for _, service := range services {
		offered, known := offers[service]
		missing := slices.DeleteFunc(slices.Clone(zones), func(z string) bool { return slices.Contains(offered, z) })
		switch {
		case !known:
			report = append(report, finding.Errorf("EndpointNotOffered", "/interfaceEndpoints", "AWS has no interface endpoint for %s in %s", service, r.Region).
				WithNext("send interfaceEndpoints without %s: its calls then take the way that other calls to the internet take", service))
		case len(missing) > 0:
			report = append(report, finding.Errorf("EndpointNotOffered", "/interfaceEndpoints", "AWS has no interface endpoint for %s in %s, where the environment has a subnet", service, strings.Join(missing, ", ")).
				WithNext("send interfaceEndpoints without %s, or an existing VPC with subnetIds in other zones", service))
		}
	}
	return report, nil
}

// offersOf returns the names of the zones in which each of the services is to be had.
func offersOf(ctx context.Context, api OfferAPI, region string, services []string) (map[string][]string, error) {
	prefix := "com.amazonaws." + region + "."
	names := make([]string, len(services))
	for i, service := range services {
		names[i] = prefix + service
	}
	// A filter, because a list of names that has an unknown one is refused as a whole.
	in := &ec2.DescribeVpcEndpointServicesInput{Filters: []types.Filter{
		{Name: aws.String("service-name"), Values: names},
		{Name: aws.String("service-type"), Values: []string{string(types.ServiceTypeInterface)}},
	}}
	offers := map[string][]string{}
	for {
		out, err := api.DescribeVpcEndpointServices(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, d := range out.ServiceDetails {
			offers[strings.TrimPrefix(aws.ToString(d.ServiceName), prefix)] = d.AvailabilityZones
		}
		if aws.ToString(out.NextToken) == "" {
			return offers, nil
		}
		in.NextToken = out.NextToken
	}
}
