package teardown

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// Each stack of an environment is one state's.
func TestStackOf(t *testing.T) {
	names := environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})
	var got []string
	for _, state := range []string{
		"DeleteKubectl", "DeleteCapacity", "DeleteAddonRoles", "DeleteCluster", "DeleteEgress", "DeleteNetwork", "DeleteIdentity", "DeleteProvider",
	} {
		name, err := stackOf(state, names)
		if err != nil {
			t.Error(err)
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(names.Stacks())), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("stacks (-environment +deleted):\n%s", diff)
	}
	if _, err := stackOf("DeleteEverything", names); err == nil {
		t.Error("an unknown state deletes something")
	}
}
