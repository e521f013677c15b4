package stage

import (
	"context"
	"errors"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// pause lies between two looks.
const pause = 2 * time.Second

// Poll calls look until it answers anything but [fault.InProgress], or [timer.Window] is
// over; then it returns look's last answer, and the state machine calls the stage again.
//
// Every call that can answer [fault.InProgress] belongs into look: the state machine allows so many
// attempts as fill its patience when each has lasted the window.
func Poll(ctx context.Context, look func(context.Context) error) error {
	end := time.After(timer.Window)
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
