package account

import (
	"fmt"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Classify turns the error of an AWS call into a fault by what the error's code means, whichever
// service it comes from. The format says what was attempted, as a verb and its object. Callers
// that expect a certain error, such as a missing resource, look for it first.
func Classify(err error, format string, args ...any) error {
	return fault.Wrap(awsfault.CodeOf(err), err, "cannot %s", fmt.Sprintf(format, args...))
}
