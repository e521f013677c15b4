// Package awsfault says what the errors of AWS calls mean, whichever service they come from. It
// must not know what was attempted: the callers put that into words.
package awsfault

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// NameOf returns the code that AWS gives the error, such as "DependencyViolation", and "" for an error
// that is no answer of AWS: a network error, a deadline, credentials that did not arrive.
func NameOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// CodeOf returns the class of an AWS call's error by the error's own code.
func CodeOf(err error) fault.Code {
	var api smithy.APIError
	if !errors.As(err, &api) {
		// No answer at all: it may come the next time.
		return fault.Transient
	}
	if named := CodeNamed(api.ErrorCode()); named != fault.Failed {
		return named
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return fault.Transient
	}
	return fault.Failed
}

// CodeNamed returns the class of an error of which only the code is known, such as that of one entry of
// a call with many.
func CodeNamed(code string) fault.Code {
	switch {
	// Before the SDK's throttles, which count one of these among them.
	case slices.Contains([]string{"LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "ResourceLimitExceededException"}, code):
		return fault.QuotaExceeded
	case throttled(code):
		return fault.Throttled
	case strings.HasPrefix(code, "AccessDenied") || slices.Contains([]string{"UnauthorizedOperation", "Forbidden", "InvalidClientTokenId", "UnrecognizedClientException"}, code):
		return fault.AccessDenied
	case slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeout", "InternalError", "InternalFailure", "InternalException", "ServiceUnavailable", "ServiceUnavailableException", "ServerException", "ServiceException"}, code):
		return fault.Transient
	}
	return fault.Failed
}

// throttled knows the names that services give to throttling.
func throttled(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}

// Gone reports whether AWS says that what the call names does not exist. Services agree on how such a
// code begins or ends and on no more: ResourceNotFoundException, InvalidSubnetID.NotFound, NoSuchEntity.
// CloudFormation says it of a stack in words; see package stack.
func Gone(err error) bool {
	name := NameOf(err)
	return strings.HasSuffix(name, "NotFound") || strings.HasSuffix(name, "NotFoundException") || strings.HasPrefix(name, "NoSuch")
}

// ClusterMissing reports whether EKS says that a cluster does not exist. It has two forms for that
// (aws-traps.md, row 1.8), and the second can only be told by its text.
func ClusterMissing(err error) bool {
	var api smithy.APIError
	return Gone(err) || errors.As(err, &api) && api.ErrorCode() == "ClientException" && strings.Contains(api.ErrorMessage(), "No cluster found for name")
}
