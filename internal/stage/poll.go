package stage

import (
	"context"
	"errors"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// window is how long one invocation looks on before it hands back to the state machine.
	window = 25 * time.Second
	// pause lies between two looks.
	pause = 2 * time.Second
)

// Poll calls look until it answers anything but [fault.InProgress], or an invocation's window is
// over; then it returns look's last answer, and the state machine calls the stage again.
//
// Every call that can answer [fault.InProgress] belongs into look: the state machine allows so many
// attempts as fill its patience when each has lasted the window.
func Poll(ctx context.Context, look func(context.Context) error) error {
	end := time.After(window)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := look(ctx)
		if !errors.Is(err, &fault.Error{Code: fault.InProgress}) {
			return err
		}
		select {
		case <-tick.C:
		case <-end:
			return err
		case <-ctx.Done():
			return err
		}
	}
}
