package stack

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
	code := codeOf(err)
	return code == "TokenAlreadyExistsException" || code == "AlreadyExistsException"
}

func isValidation(err error, text string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == "ValidationError" && strings.Contains(e.ErrorMessage(), text)
}

// codeOf returns AWS's error code, empty if err is not an answer of AWS.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// classify turns the failure of a call into a fault. action is the call's IAM action.
func classify(err error, action, name string) error {
	code := codeOf(err)
	switch code {
	case "":
		return fault.Wrap(fault.Transient, err, "%s for stack %s was not answered", action, name)
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown":
		return fault.Wrap(fault.Throttled, err, "%s for stack %s", action, name)
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidClientTokenId", "UnrecognizedClientException":
		return fault.Wrap(fault.AccessDenied, err, "%s for stack %s was refused", action, name).
			WithNext("allow %s to the environment role (infra/environment-role.yaml), then start the same request again", action)
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InternalFailure", "InternalError", "ServiceUnavailable", "RequestTimeout":
		return fault.Wrap(fault.Transient, err, "%s for stack %s", action, name)
	case "LimitExceededException":
		return fault.Wrap(fault.QuotaExceeded, err, "%s for stack %s", action, name).
			WithNext("raise CloudFormation's stack quota or delete unused stacks, then start the same request again")
	}
	if isMoving(err) {
		return fault.Wrap(fault.InProgress, err, "%s for stack %s", action, name)
	}
	var response *smithyhttp.ResponseError
	if isValidation(err, textRole) || errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return fault.Wrap(fault.Transient, err, "%s for stack %s", action, name)
	}
	// What is left, InsufficientCapabilitiesException among it, is a call that no request can
	// cause and no retry can cure.
	return fault.Wrap(fault.Internal, err, "%s for stack %s", action, name)
}
