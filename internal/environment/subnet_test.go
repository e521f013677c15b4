package environment_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestSubnets(t *testing.T) {
	cases := map[string]struct {
		reason          string
		block           string
		zones           int
		public, private []string
	}{
		"Harmonix": {
			"what CDK makes of the default block (harmonix-contract.md, section 2.3)", "10.0.0.0/24", 3,
			[]string{"10.0.0.0/27", "10.0.0.32/27", "10.0.0.64/27"}, []string{"10.0.0.96/27", "10.0.0.128/27", "10.0.0.160/27"},
		},
		"SmallTwoZones": {
			"quarters", "10.0.0.0/24", 2,
			[]string{"10.0.0.0/26", "10.0.0.64/26"}, []string{"10.0.0.128/26", "10.0.0.192/26"},
		},
		"Large": {
			"a quarter for each zone's nodes", "10.1.0.0/16", 3,
			[]string{"10.1.192.0/20", "10.1.208.0/20", "10.1.224.0/20"}, []string{"10.1.0.0/18", "10.1.64.0/18", "10.1.128.0/18"},
		},
		"LargeTwoZones": {
			"the third quarter stays free", "10.1.0.0/16", 2,
			[]string{"10.1.192.0/20", "10.1.208.0/20"}, []string{"10.1.0.0/18", "10.1.64.0/18"},
		},
		"Least": {
			"/23 has /27 for load balancers", "192.168.2.0/23", 3,
			[]string{"192.168.3.128/27", "192.168.3.160/27", "192.168.3.192/27"}, []string{"192.168.2.0/25", "192.168.2.128/25", "192.168.3.0/25"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			public, private, err := environment.Subnets(netip.MustParsePrefix(tc.block), tc.zones)
			if err != nil {
				t.Fatalf("%s: Subnets: %v", tc.reason, err)
			}
			if diff := cmp.Diff([][]string{tc.public, tc.private}, [][]string{texts(public), texts(private)}); diff != "" {
				t.Errorf("%s: Subnets: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSubnetsRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		block  netip.Prefix
		zones  int
	}{
		"None":     {"no block", netip.Prefix{}, 3},
		"Small":    {"/25", netip.MustParsePrefix("10.0.0.0/25"), 3},
		"Large":    {"/15", netip.MustParsePrefix("10.0.0.0/15"), 3},
		"HostBits": {"bits behind the prefix", netip.MustParsePrefix("10.0.0.1/24"), 3},
		"IPv6":     {"IPv6", netip.MustParsePrefix("fd00::/24"), 3},
		"OneZone":  {"EKS wants two zones", netip.MustParsePrefix("10.0.0.0/24"), 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if _, _, err := environment.Subnets(tc.block, tc.zones); err == nil {
				t.Errorf("%s: Subnets: got no error", tc.reason)
			}
		})
	}
}

func FuzzSubnets(f *testing.F) {
	f.Add(byte(10), byte(0), byte(0), 24, 3)
	f.Add(byte(10), byte(255), byte(254), 23, 2)
	f.Fuzz(func(t *testing.T, a, b, c byte, bits, zones int) {
		block := netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, 0}), bits)
		public, private, err := environment.Subnets(block, zones)
		if err != nil {
			return
		}
		if len(public) != zones || len(private) != zones {
			t.Fatalf("Subnets(%s, %d): got %d public and %d private", block, zones, len(public), len(private))
		}
		all := append(public, private...)
		for i, s := range all {
			if s.Bits() > 27 || s != s.Masked() || !block.Contains(s.Addr()) || s.Bits() <= block.Bits() {
				t.Errorf("Subnets(%s, %d): %s is too small, not canonical or outside", block, zones, s)
			}
			for _, other := range all[:i] {
				if s.Overlaps(other) {
					t.Errorf("Subnets(%s, %d): %s overlaps %s", block, zones, s, other)
				}
			}
		}
	})
}

func texts(blocks []netip.Prefix) []string {
	var all []string
	for _, b := range blocks {
		all = append(all, b.String())
	}
	return all
}
