package environment_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// A section is in the state document, which has 256 KiB with all other sections (aws-traps.md, row 3.5).
func TestBound(t *testing.T) {
	var r environment.Removal
	for i := range 1000 {
		r.Removed = append(r.Removed, fmt.Sprint("PersistentVolumeClaim data/", i))
		r.Kept = append(r.Kept, environment.Leftover{What: fmt.Sprint("volume vol-", i), Why: "its reclaim policy is Retain"})
	}
	r.Orphaned = []environment.Leftover{{What: "a", Why: "b"}}
	r.Bound()
	if text, err := json.Marshal(r); err != nil || len(text) > 30_000 {
		t.Errorf("the section has %d bytes (%v)", len(text), err)
	}
	last := environment.Leftover{What: "800 more", Why: "for reasons like volume vol-0"}
	if r.Removed[200] != "800 more" || r.Kept[200] != last {
		t.Errorf("what is left out is told of as %q, %v", r.Removed[200], r.Kept[200])
	}
	if diff := cmp.Diff([]environment.Leftover{{What: "a", Why: "b"}}, r.Orphaned); diff != "" {
		t.Errorf("short lists stay (-want +got):\n%s", diff)
	}
}
