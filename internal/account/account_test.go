package account

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

func answer(code string) error {
	return &smithy.OperationError{ServiceID: "S", OperationName: "O", Err: &smithy.GenericAPIError{Code: code, Message: "because"}}
}

func TestClassify(t *testing.T) {
	status := func(code int, err error) error {
		return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: err}
	}
	cases := map[string]struct {
		reason string
		err    error
		want   fault.Code
	}{
		"CloudFormationThrottles": {"CloudFormation and IAM say it so", answer("Throttling"), "Throttled"},
		"JSONThrottles":           {"DynamoDB, EKS, Step Functions", answer("ThrottlingException"), "Throttled"},
		"LambdaThrottles":         {"", answer("TooManyRequestsException"), "Throttled"},
		"EC2Throttles":            {"", answer("RequestLimitExceeded"), "Throttled"},
		"EC2BehindLambda":         {"Lambda passes EC2's throttling on", answer("EC2ThrottledException"), "Throttled"},
		"S3Throttles":             {"", answer("SlowDown"), "Throttled"},
		"TableThrottles":          {"", answer("ProvisionedThroughputExceededException"), "Throttled"},
		"Denied":                  {"STS, IAM, S3", answer("AccessDenied"), "AccessDenied"},
		"DeniedException":         {"JSON services", answer("AccessDeniedException"), "AccessDenied"},
		"EC2Denied":               {"", answer("UnauthorizedOperation"), "AccessDenied"},
		"UnknownKey":              {"an opt-in region that is off answers so", answer("InvalidClientTokenId"), "AccessDenied"},
		"IAMQuota":                {"", answer("LimitExceeded"), "QuotaExceeded"},
		"CloudFormationQuota":     {"the SDK counts it as throttling; it is a full quota", answer("LimitExceededException"), "QuotaExceeded"},
		"ServiceQuota":            {"", answer("ServiceQuotaExceededException"), "QuotaExceeded"},
		"EKSQuota":                {"", answer("ResourceLimitExceededException"), "QuotaExceeded"},
		"Expired":                 {"the next attempt assumes the role anew", answer("ExpiredTokenException"), "Transient"},
		"Unavailable":             {"", answer("ServiceUnavailable"), "Transient"},
		"ServerError":             {"an unknown code with status 500", status(500, answer("Strange")), "Transient"},
		"ClientError":             {"an unknown code with status 400", status(400, answer("Strange")), "Failed"},
		"Unknown":                 {"what nobody foresaw is not retried", answer("ValidationError"), "Failed"},
		"NoAnswer":                {"a lost connection", &url.Error{Op: "Post", URL: "u", Err: io.ErrUnexpectedEOF}, "Transient"},
		"Deadline":                {"the function's time was up", context.DeadlineExceeded, "Transient"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Classify(tc.err, "describe %s", "it")
			f := fault.As(err)
			if f.Code != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, f.Code, tc.want)
			}
			if !strings.HasPrefix(f.Message, "cannot describe it: ") || !errors.Is(err, tc.err) {
				t.Errorf("%s: the message %q does not say what was tried, or the cause is lost", tc.reason, f.Message)
			}
		})
	}
}

func TestTargetOf(t *testing.T) {
	got := TargetOf(environment.Request{
		Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "eu-west-1", EnvironmentRole: "arn:aws:iam::222222222222:role/r", ExternalID: "x",
	})
	want := Target{AccountID: "222222222222", Region: "eu-west-1", RoleARN: "arn:aws:iam::222222222222:role/r", ExternalID: "x", Session: "opa-dev"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A plan only looks: its session is narrowed, whatever the role may do.
func TestTargetOfPlan(t *testing.T) {
	if got := TargetOf(environment.Request{Operation: "plan"}).Policy; got != PlanPolicy {
		t.Errorf("a plan's session has the policy %q", got)
	}
	if got := TargetOf(environment.Request{Operation: "apply"}).Policy; got != "" {
		t.Errorf("an apply's session has the policy %q", got)
	}
}

func TestSessionName(t *testing.T) {
	cases := map[string]struct{ reason, session, want string }{
		"Plain":    {"as it is", "opa-dev", "eks-environment-opa-dev"},
		"Illegal":  {"STS takes [\\w+=,.@-]", "a/b c:ü", "eks-environment-a-b-c--"},
		"Long":     {"STS takes 64 characters", strings.Repeat("a", 80), "eks-environment-" + strings.Repeat("a", 48)},
		"Complete": {"every legal character stays", "aZ9_+=,.@-", "eks-environment-aZ9_+=,.@-"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := sessionName(tc.session); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// tokenService answers AssumeRole and keeps what it was asked.
type tokenService struct {
	status int
	body   string
	asked  url.Values
}

func (s *tokenService) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if s.asked, err = url.ParseQuery(string(body)); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

const (
	assumed = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDTARGET</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	refused = `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`
)

func TestConnect(t *testing.T) {
	cases := map[string]struct {
		reason         string
		status         int
		body           string
		external       string
		policy         string
		code           fault.Code
		message, field string
	}{
		"Assumed":         {reason: "with the request's ExternalId", status: 200, body: assumed, external: "x"},
		"AssumedWithout":  {reason: "no ExternalId is sent where the request has none", status: 200, body: assumed},
		"Narrowed":        {reason: "with a session policy", status: 200, body: assumed, policy: "{}"},
		"Refused":         {reason: "said at once, with the field to change", status: 403, body: refused, external: "x", code: "AccessDenied", message: "with the request's externalId", field: "/environmentRole"},
		"RefusedWithout":  {reason: "the missing ExternalId is named", status: 403, body: refused, code: "AccessDenied", message: "without an ExternalId", field: "/environmentRole"},
		"ServiceIsBroken": {reason: "time cures it", status: 503, body: "", code: "Transient", message: "cannot assume arn:aws:iam::222222222222:role/r"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			service := &tokenService{status: tc.status, body: tc.body}
			base := aws.Config{
				Region: "us-east-1", HTTPClient: service, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
				Credentials: credentials.NewStaticCredentialsProvider("AKIDBASE", "s", ""),
			}
			target := Target{AccountID: "222222222222", Region: "eu-west-1", RoleARN: "arn:aws:iam::222222222222:role/r", ExternalID: tc.external, Session: "opa-dev", Policy: tc.policy}
			cfg, err := NewConnector(base).Connect(t.Context(), target)
			if got := fault.CodeOf(err); got != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, got, err, tc.code)
			}
			want := url.Values{
				"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {target.RoleARN},
				"RoleSessionName": {"eks-environment-opa-dev"}, "DurationSeconds": {"3600"},
			}
			if tc.external != "" {
				want.Set("ExternalId", tc.external)
			}
			if tc.policy != "" {
				want.Set("Policy", tc.policy)
			}
			if diff := cmp.Diff(want, service.asked); diff != "" {
				t.Errorf("%s: AssumeRole (-want +got):\n%s", tc.reason, diff)
			}
			if err != nil {
				if f := fault.As(err); !strings.Contains(f.Message, tc.message) || f.Field != tc.field {
					t.Errorf("%s: got %q at %q", tc.reason, f.Message, f.Field)
				}
				return
			}
			key, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil || key.AccessKeyID != "AKIDTARGET" || cfg.Region != "eu-west-1" {
				t.Errorf("%s: works as %s in %s (%v)", tc.reason, key.AccessKeyID, cfg.Region, err)
			}
			if base.Region != "us-east-1" {
				t.Errorf("%s: the connector changed its own configuration", tc.reason)
			}
		})
	}
}
