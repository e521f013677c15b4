package awsfault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

func TestCodeOf(t *testing.T) {
	answer := func(code string) error { return &smithy.GenericAPIError{Code: code, Message: "because"} }
	cases := map[string]struct {
		reason string
		err    error
		want   fault.Code
	}{
		"Throttled":  {"one of many names", answer("SlowDown"), fault.Throttled},
		"Quota":      {"not a throttle, though the SDK counts it so", answer("LimitExceededException"), fault.QuotaExceeded},
		"Denied":     {"any ending", answer("AccessDeniedException"), fault.AccessDenied},
		"Expired":    {"the next call has new credentials", answer("ExpiredToken"), fault.Transient},
		"LateSigned": {"so has this one", answer("RequestExpired"), fault.Transient},
		"NoAnswer":   {"a network error", errors.New("dial tcp: lookup eks: no such host"), fault.Transient},
		"Other":      {"the rest is final", answer("ValidationException"), fault.Failed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := awsfault.CodeOf(tc.err); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}

func TestGone(t *testing.T) {
	answer := func(code string) error { return &smithy.GenericAPIError{Code: code, Message: "because"} }
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Most":      {"EKS, Lambda, DynamoDB, CloudWatch Logs", answer("ResourceNotFoundException"), true},
		"IAM":       {"", answer("NoSuchEntity"), true},
		"IAMModel":  {"the name in its model", answer("NoSuchEntityException"), true},
		"EC2":       {"", answer("InvalidSubnetID.NotFound"), true},
		"Balancing": {"", answer("LoadBalancerNotFound"), true},
		"SSM":       {"", answer("ParameterNotFound"), true},
		"KMS":       {"", answer("NotFoundException"), true},
		"S3":        {"GetObject", answer("NoSuchKey"), true},
		"S3Head":    {"HeadObject has no body: the SDK makes the code of the status", answer("NotFound"), true},
		"Quotas":    {"", answer("NoSuchResourceException"), true},
		"Malformed": {"what can not exist is a mistake", answer("InvalidSubnetID.Malformed"), false},
		"NotReady":  {"it exists", answer("ResourceNotReadyException"), false},
		"Denied":    {"what cannot be seen may exist", answer("AccessDenied"), false},
		"Operation": {"it says nothing of the resource", answer("UnknownOperationException"), false},
		"NoAnswer":  {"nor does no answer", errors.New("lookup eks: no such host: NotFound"), false},
		"None":      {"nor no error", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := awsfault.Gone(tc.err); got != tc.want {
				t.Errorf("%s: got %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestClusterMissing(t *testing.T) {
	client := func(message string) error { return &types.ClientException{Message: aws.String(message)} }
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"Missing":   {"the documented form", &types.ResourceNotFoundException{}, true},
		"Wrapped":   {"as the SDK returns it", fmt.Errorf("operation error: %w", &types.ResourceNotFoundException{}), true},
		"OldForm":   {"the other form", client("No cluster found for name: opa-dev-cluster."), true},
		"Client":    {"another ClientException says nothing of the kind", client("bad name"), false},
		"NoMessage": {"nor does one without a text", &types.ClientException{}, false},
		"Denied":    {"a cluster that cannot be seen may exist", &smithy.GenericAPIError{Code: "AccessDeniedException"}, false},
		"None":      {"no error", nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := awsfault.ClusterMissing(tc.err); got != tc.want {
				t.Errorf("%s: got %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}
