package deletehook_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/harmonix-eks/environment-provider/internal/deletehook"
)

// tokenService gives a session, and keeps where it was asked for one.
type tokenService struct{ host string }

func (s *tokenService) Do(r *http.Request) (*http.Response, error) {
	s.host = r.URL.Host
	const assumed = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(assumed)), Request: r}, nil
}

// The function may be in a region that the orchestrator's account has not enabled.
func TestConnect(t *testing.T) {
	service := &tokenService{}
	base := aws.Config{Region: "eu-south-1", HTTPClient: service, Credentials: credentials.NewStaticCredentialsProvider("AKID", "s", "")}
	connect := deletehook.Connect(base)
	const machine = "arn:aws:states:us-east-1:111111111111:stateMachine:eks-environment-provider"
	if _, err := connect(t.Context(), "arn:aws:iam::111111111111:role/starter", machine); err != nil || service.host != "sts.us-east-1.amazonaws.com" {
		t.Errorf("the role was assumed at %q (%v)", service.host, err)
	}
	if _, err := connect(t.Context(), "arn:aws:iam::111111111111:role/starter", "provider"); err == nil {
		t.Error("what is no ARN of a state machine was taken for one")
	}
}
