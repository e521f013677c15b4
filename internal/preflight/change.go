package preflight

import (
	"context"

	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// changes refuses what no update can make of the environment as it is. Stages ask the same once the
// environment is locked, because another execution may have come in between.
func changes(_ context.Context, s subject) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, f := range target.Misfits(s.stacks, s.request) {
		all = append(all, finding.Errorf(string(f.Code), f.Field, "%s", f.Message).WithNext("%s", f.Next))
	}
	return all, nil
}
