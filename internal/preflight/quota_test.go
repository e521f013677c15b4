package preflight

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var (
	_ quotaAPI   = (*servicequotas.Client)(nil)
	_ summaryAPI = (*iam.Client)(nil)
)

// fakeQuotas has applied values; what has none has AWS' default of 5.
type fakeQuotas map[string]float64

func (f fakeQuotas) GetServiceQuota(_ context.Context, in *servicequotas.GetServiceQuotaInput, _ ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error) {
	if f == nil {
		return nil, denied("Service Quotas", "GetServiceQuota")
	}
	value, ok := f[aws.ToString(in.QuotaCode)]
	if !ok {
		return nil, &types.NoSuchResourceException{}
	}
	return &servicequotas.GetServiceQuotaOutput{Quota: &types.ServiceQuota{Value: &value}}, nil
}

func (f fakeQuotas) GetAWSDefaultServiceQuota(context.Context, *servicequotas.GetAWSDefaultServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error) {
	return &servicequotas.GetAWSDefaultServiceQuotaOutput{Quota: &types.ServiceQuota{Value: aws.Float64(5)}}, nil
}

func TestCompare(t *testing.T) {
	things := func(now, later, used int) need {
		return need{"things", "s", "L-1", "/f", now, later, func(context.Context) (int, error) { return used, nil }}
	}
	broken := need{"others", "s", "L-1", "/f", 1, 1, func(context.Context) (int, error) { return 0, errors.New("moon") }}
	cases := map[string]struct {
		reason string
		quotas fakeQuotas
		needs  []need
		want   []string
		fails  bool
	}{
		"Room":    {reason: "the last one fits", quotas: fakeQuotas{"L-1": 3}, needs: []need{things(1, 1, 2)}},
		"Full":    {reason: "one too many", quotas: fakeQuotas{"L-1": 3}, needs: []need{things(2, 2, 2)}, want: []string{"error QuotaExceeded /f: the account's quota of things is 3, 2 are in use, and this request makes 2 more; remove what is not needed, or ask for at least 4"}},
		"Later":   {reason: "what may come is a warning", quotas: fakeQuotas{"L-1": 3}, needs: []need{things(1, 4, 2)}, want: []string{"warning QuotaNear /f: the account's quota of things is 3, 2 are in use, and this environment may come to use 4 more; remove"}},
		"Default": {reason: "a quota that was never raised", quotas: fakeQuotas{}, needs: []need{things(1, 1, 5)}, want: []string{"error QuotaExceeded /f: the account's quota of things is 5"}},
		"All":     {reason: "one that cannot be counted hides no other", quotas: fakeQuotas{"L-1": 0}, needs: []need{broken, things(1, 1, 0)}, want: []string{"error QuotaExceeded"}, fails: true},
		"Denied":  {reason: "without the permission nothing is known", quotas: nil, needs: []need{things(1, 1, 0)}, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := compare(t.Context(), tc.quotas, "us-east-1", tc.needs)
			if (err != nil) != tc.fails || len(got) != len(tc.want) {
				t.Fatalf("%s: got %v, %v", tc.reason, got, err)
			}
			for i, want := range tc.want {
				if line := string(got[i].Severity) + " " + got[i].Code + " " + got[i].String(); !strings.HasPrefix(line, want) {
					t.Errorf("%s: got %q, want %q", tc.reason, line, want)
				}
			}
		})
	}
}

// Only what is still to be made counts.
func TestNetworkNeeds(t *testing.T) {
	zones := []string{"a", "b", "c"}
	names := environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})
	egress := func(mode, count string) stack.Description {
		return stack.Description{Parameters: map[string]string{"NatGateways": mode, "ZoneCount": count}}
	}
	cases := map[string]struct {
		reason, vpc, mode string
		stacks            map[string]stack.Description
		want              string
	}{
		"New":      {"everything", "create_new", "single", nil, "VPCs:1 internet gateways:1 gateway endpoints:2 elastic IP addresses:1 NAT gateways in the zone a:1"},
		"PerZone":  {"one in each zone", "create_new", "perAz", nil, "VPCs:1 internet gateways:1 gateway endpoints:2 elastic IP addresses:3 NAT gateways in the zone a:1 NAT gateways in the zone b:1 NAT gateways in the zone c:1"},
		"Existing": {"nothing of the VPC is made", "use_existing", "", nil, ""},
		"Network":  {"the VPC is there", "create_new", "single", map[string]stack.Description{names.NetworkStack: {}}, "gateway endpoints:2 elastic IP addresses:1 NAT gateways in the zone a:1"},
		"Done":     {"all is there", "create_new", "single", map[string]stack.Description{names.NetworkStack: {}, names.EgressStack: egress("single", "3")}, ""},
		"More":     {"two gateways more", "create_new", "perAz", map[string]stack.Description{names.NetworkStack: {}, names.EgressStack: egress("single", "3")}, "elastic IP addresses:2 NAT gateways in the zone b:1 NAT gateways in the zone c:1"},
		"Fewer":    {"two gateways less", "create_new", "single", map[string]stack.Description{names.NetworkStack: {}, names.EgressStack: egress("perAz", "3")}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := subject{request: environment.Request{VPCConfiguration: tc.vpc, NATGateways: tc.mode, Region: "r"}, names: names, stacks: tc.stacks, zones: zones}
			var got []string
			for _, n := range networkNeeds(nil, s) {
				got = append(got, strings.TrimSuffix(n.what, " in r")+":"+string(rune('0'+n.now)))
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, text, tc.want)
			}
		})
	}
}

type fakeSummary map[string]int32

func (f fakeSummary) GetAccountSummary(context.Context, *iam.GetAccountSummaryInput, ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error) {
	return &iam.GetAccountSummaryOutput{SummaryMap: f}, nil
}

func TestRoleQuota(t *testing.T) {
	r := environment.Request{Prefix: "opa", Name: "dev", VPCConfiguration: "create_new", NodeType: "FARGATE"}
	s := subject{request: r, names: environment.NamesOf(r)}
	for used, want := range map[int32]int{990: 0, 991: 1} {
		got, err := lookAtRoleQuota(t.Context(), fakeSummary{"Roles": used, "RolesQuota": 1000}, s)
		if err != nil || len(got) != want {
			t.Errorf("%d roles of 1000, and 10 to come: got %v, %v", used, got, err)
		}
	}
}
