package account

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Classify turns the error of an AWS call into a fault by what the error's code means, whichever
// service it comes from. The format says what was attempted, as a verb and its object. Callers
// that expect a certain error, such as a missing resource, look for it first.
func Classify(err error, format string, args ...any) error {
	return fault.Wrap(codeOf(err), err, "cannot %s", fmt.Sprintf(format, args...))
}

func codeOf(err error) fault.Code {
	var api smithy.APIError
	if !errors.As(err, &api) {
		// No answer at all: a network error, a deadline, credentials that did not arrive.
		return fault.Transient
	}
	switch code := api.ErrorCode(); {
	// Before the SDK's throttles, which count one of these among them.
	case slices.Contains([]string{"LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "ResourceLimitExceededException"}, code):
		return fault.QuotaExceeded
	case throttled(code):
		return fault.Throttled
	case strings.HasPrefix(code, "AccessDenied") || slices.Contains([]string{"UnauthorizedOperation", "Forbidden", "InvalidClientTokenId", "UnrecognizedClientException"}, code):
		return fault.AccessDenied
	case slices.Contains([]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeout", "InternalError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException", "ServerException", "ServiceException"}, code):
		return fault.Transient
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError {
		return fault.Transient
	}
	return fault.Failed
}

// throttled knows the names that services give to throttling.
func throttled(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}
