package stack

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// CloudFormation answers ValidationError to nearly everything, with the case in the text only.
// These are the texts, and their matching cannot be avoided.
const (
	textAbsent   = "does not exist"
	textNoUpdate = "No updates are to be performed"
	// textRole is the answer to a service role that is too new.
	textRole = "is invalid or cannot be assumed"
)

// isAbsent reports whether there is no stack of that name (aws-traps.md, row 1.67).
func isAbsent(err error) bool { return isValidation(err, textAbsent) }

// isNoUpdate reports whether UpdateStack found nothing to do.
func isNoUpdate(err error) bool { return isValidation(err, textNoUpdate) }

// isMoving reports whether the stack's status forbids the operation: it changed since the last
// look, and the next look will tell. CloudFormation writes "can not", others "cannot".
func isMoving(err error) bool {
	return isValidation(err, " state and can") || isValidation(err, "_IN_PROGRESS")
}

// isStarted reports whether the very operation was started before: its answer was lost.
func isStarted(err error) bool {
	name := awsfault.NameOf(err)
	return name == "TokenAlreadyExistsException" || name == "AlreadyExistsException"
}

func isValidation(err error, text string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == "ValidationError" && strings.Contains(e.ErrorMessage(), text)
}

// classify turns the failure of a call into a fault, by what its code means and, where that says
// nothing, by CloudFormation's words. action is the call's IAM action.
func classify(err error, action, name string) error {
	code := awsfault.CodeOf(err)
	switch {
	case awsfault.NameOf(err) == "":
		return fault.Wrap(code, err, "%s for stack %s was not answered", action, name)
	case code == fault.AccessDenied:
		return fault.Wrap(code, err, "%s for stack %s was refused", action, name).
			WithNext("allow %s to the environment role (infra/environment-role.yaml), then start the same request again", action)
	case code == fault.QuotaExceeded:
		return fault.Wrap(code, err, "%s for stack %s", action, name).
			WithNext("raise CloudFormation's stack quota or delete unused stacks, then start the same request again")
	case code != fault.Failed:
	case isMoving(err):
		code = fault.InProgress
	case isValidation(err, textRole):
		code = fault.Transient
	default:
		// What is left, InsufficientCapabilitiesException among it, is a call that no request can
		// cause and no retry can cure.
		code = fault.Internal
	}
	return fault.Wrap(code, err, "%s for stack %s", action, name)
}
