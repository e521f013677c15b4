package network

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestRetagged(t *testing.T) {
	item := func(id string, details ...string) environment.PlannedChange {
		return environment.PlannedChange{Action: "modified", Type: "AWS::EC2::Subnet", Name: "of the existing VPC", ID: id, Details: details}
	}
	got := retagged(map[string]string{"subnet-2": "internal", "subnet-1": "public"}, map[string]string{"subnet-1": "internal"})
	want := []environment.PlannedChange{item("subnet-1", "tag internal goes", "tag public is new"), item("subnet-2", "tag internal is new")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := retagged(nil, nil); got != nil {
		t.Errorf("no tags: %v", got)
	}
}

// A plan's EC2 has nobody behind it who could be asked to write.
func TestLookingTagsNothing(t *testing.T) {
	api := looking{}
	if _, err := api.CreateTags(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := api.DeleteTags(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
