// Package awsfault says what the errors of AWS calls mean, whichever service they come from. It
// must not know what was attempted: the callers put that into words.
package awsfault

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// CodeOf returns the class of an AWS call's error by the error's own code.
func CodeOf(err error) fault.Code {
	var api smithy.APIError
	if !errors.As(err, &api) {
		// No answer at all: a network error, a deadline, credentials that did not arrive.
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

// ClusterMissing reports whether EKS says that a cluster does not exist. It has two forms for that
// (aws-traps.md, row 1.8), and the second can only be told by its text.
func ClusterMissing(err error) bool {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return true
	}
	var client *types.ClientException
	return errors.As(err, &client) && strings.Contains(aws.ToString(client.Message), "No cluster found for name")
}
