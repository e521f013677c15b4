package record

import (
	"context"

	"github.com/harmonix-eks/environment-provider/internal/plan"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// Plan is the stage of that name.
type Plan struct{ bus *Bus }

// NewPlan returns the stage.
func NewPlan(b *Bus) *Plan { return &Plan{bus: b} }

// Run makes the plan and tells of the end. A plan has no row in the history.
func (p *Plan) Run(ctx context.Context, in stage.Input) (*plan.Result, error) {
	result, err := plan.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	return result, p.bus.tell(ctx, in.State, succeeded, result, nil)
}
