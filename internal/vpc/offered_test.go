package vpc_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

var _ vpc.SurveyAPI = (*ec2.Client)(nil)

// offers answers with the zones of each service, a service to a page, and checks what it is asked for.
type offers struct {
	t     *testing.T
	zones map[string][]string
	asked []string
}

func (o offers) DescribeVpcEndpointServices(_ context.Context, in *ec2.DescribeVpcEndpointServicesInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointServicesOutput, error) {
	filters := map[string][]string{}
	for _, f := range in.Filters {
		filters[aws.ToString(f.Name)] = f.Values
	}
	if diff := cmp.Diff(map[string][]string{"service-name": o.asked, "service-type": {"Interface"}}, filters); diff != "" {
		o.t.Errorf("filters (-want +got):\n%s", diff)
	}
	var known []string
	for _, name := range o.asked {
		if o.zones[name] != nil {
			known = append(known, name)
		}
	}
	page := len(aws.ToString(in.NextToken))
	if page >= len(known) {
		return &ec2.DescribeVpcEndpointServicesOutput{}, nil
	}
	out := &ec2.DescribeVpcEndpointServicesOutput{ServiceDetails: []types.ServiceDetail{{ServiceName: &known[page], AvailabilityZones: o.zones[known[page]]}}}
	if page+1 < len(known) {
		out.NextToken = aws.String(strings.Repeat("x", page+1))
	}
	return out, nil
}

// aws-traps.md, row 1.53: an interface endpoint's service can be missing in a zone.
func TestOffered(t *testing.T) {
	eks, ecr := "com.amazonaws.eu-west-1.eks", "com.amazonaws.eu-west-1.ecr.dkr"
	all := []string{"eu-west-1a", "eu-west-1b"}
	cases := map[string]struct {
		reason   string
		services []string
		zones    map[string][]string
		want     []string
	}{
		"Everywhere": {"a service in more zones than needed", []string{"eks", "ecr.dkr"}, map[string][]string{eks: append([]string{"eu-west-1c"}, all...), ecr: all}, nil},
		"NotInAZone": {"the zone is named", []string{"eks", "ecr.dkr"}, map[string][]string{eks: all, ecr: all[:1]},
			[]string{"AWS has no interface endpoint for ecr.dkr in eu-west-1b, where the environment has a subnet"}},
		"NotInTheRegion": {"the region is named", []string{"eks", "ecr.dkr"}, map[string][]string{ecr: all},
			[]string{"AWS has no interface endpoint for eks in eu-west-1"}},
		"None": {"a request without endpoints asks nothing", nil, nil, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			api := offers{t: t, zones: tc.zones}
			for _, service := range tc.services {
				api.asked = append(api.asked, "com.amazonaws.eu-west-1."+service)
			}
			report, err := vpc.Offered(t.Context(), api, environment.Request{Region: "eu-west-1"}, tc.services, all)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report {
				if f.Code != "EndpointNotOffered" || f.Severity != "error" || f.Field != "/interfaceEndpoints" || f.Next == "" {
					t.Errorf("%s: %+v", tc.reason, f)
				}
				got = append(got, f.Found)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
