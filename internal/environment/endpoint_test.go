package environment_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/statemachine"
)

// The schema and the list that the egress template is made from must name the same services.
func TestInterfaceEndpointsAgree(t *testing.T) {
	var schema struct {
		Properties struct {
			InterfaceEndpoints struct{ Items struct{ Enum []string } }
		}
	}
	if err := json.Unmarshal(statemachine.RequestSchema, &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(environment.InterfaceEndpoints(), schema.Properties.InterfaceEndpoints.Items.Enum); diff != "" {
		t.Errorf("services, -code, +schema:\n%s", diff)
	}
}

func TestEndpointParameter(t *testing.T) {
	for service, want := range map[string]string{"ec2": "EndpointEc2", "ecr.api": "EndpointEcrApi", "execute-api": "EndpointExecuteApi"} {
		if got := environment.EndpointParameter(service); got != want {
			t.Errorf("EndpointParameter(%s): got %s, want %s", service, got, want)
		}
	}
	// What CloudFormation takes as a logical id, and no two services alike.
	legal, seen := regexp.MustCompile(`^[A-Za-z0-9]+$`), map[string]bool{}
	for _, service := range environment.InterfaceEndpoints() {
		name := environment.EndpointParameter(service)
		if !legal.MatchString(name) || seen[name] {
			t.Errorf("EndpointParameter(%s): %s is illegal or taken", service, name)
		}
		seen[name] = true
	}
}

// Families by the list of EC2's instance types: what has Arm processors runs the Arm image, and nothing else does.
func TestArmFamilies(t *testing.T) {
	for ami, families := range map[string][]string{
		"AL2023_ARM_64_STANDARD": {"a1", "t4g", "m6g", "m6gd", "m7g", "c7gn", "c8gb", "r8g", "x2gd", "i4g", "i8ge", "im4gn", "is4gen", "g5g", "hpc7g"},
		"AL2023_x86_64_STANDARD": {"m5", "t3", "t3a", "m5zn", "m7i", "m7i-flex", "c5ad", "c6in", "r6idn", "x2iezn", "g4dn", "g6", "gr6", "g6e", "p4d", "p5en", "inf2", "trn1n", "u-6tb1", "u7in-16tb", "d3en", "z1d", "hpc7a"},
	} {
		for _, family := range families {
			if _, err := environment.Parse(with(map[string]any{"instanceType": family + ".large", "amiType": ami})); err != nil {
				t.Errorf("%s.large with %s: %v", family, ami, err)
			}
		}
	}
}
