package environment_test

import (
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestBottlerocket(t *testing.T) {
	cases := map[string]struct {
		reason string
		ami    string
		want   bool
	}{
		"Bottlerocket": {"any architecture", "BOTTLEROCKET_ARM_64_NVIDIA", true},
		"AmazonLinux":  {"the other family", "AL2023_x86_64_STANDARD", false},
		"Fargate":      {"there are no nodes", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (environment.Request{AMIType: tc.ami}).Bottlerocket(); got != tc.want {
				t.Errorf("%s: got %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}
