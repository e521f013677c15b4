package kube

import (
	"context"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// tokenPrefix tells EKS' authenticator the kind of token.
	// https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
	tokenPrefix = "k8s-aws-v1."
	// tokenLife is how long a token is used. EKS accepts one for 15 minutes after its signature,
	// whatever X-Amz-Expires says; the AWS CLI reports 14.
	tokenLife = 13 * time.Minute
	// credentialMargin keeps a token from outliving the credentials that signed it.
	credentialMargin = 30 * time.Second
)

// tokenSource makes the bearer tokens of one role for one cluster: a presigned GetCallerIdentity
// request that the cluster's authenticator sends to STS.
type tokenSource struct {
	cluster     string
	role        string
	credentials aws.CredentialsProvider
	presign     *sts.PresignClient
	now         func() time.Time

	mu      sync.Mutex
	token   string
	expires time.Time
}

// newTokenSource returns a source that signs with credentials, those of key's role, for the region
// of config.
func newTokenSource(config aws.Config, credentials aws.CredentialsProvider, key connectionKey) *tokenSource {
	client := sts.NewFromConfig(config, func(o *sts.Options) {
		// The authenticator accepts real STS hosts only, wherever our own calls are sent.
		o.BaseEndpoint = nil
		o.Credentials = credentials
	})
	return &tokenSource{
		cluster:     key.cluster,
		role:        key.role,
		credentials: credentials,
		presign:     sts.NewPresignClient(client),
		now:         wall,
	}
}

// wall is the time by the clock on the wall alone. Go compares two times by the monotonic clock where both
// have its reading, and that stands still in a frozen sandbox.
func wall() time.Time { return time.Now().Round(0) }

// Token returns a token that is valid for some time still.
func (s *tokenSource) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && s.now().Before(s.expires) {
		return s.token, nil
	}
	credentials, err := s.credentials.Retrieve(ctx)
	if err != nil {
		return "", authenticationFault(err, s.role)
	}
	expires := s.now().Add(tokenLife)
	if credentials.CanExpire && credentials.Expires.Add(-credentialMargin).Before(expires) {
		expires = credentials.Expires.Add(-credentialMargin)
	}
	request, err := s.presign.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(p *sts.PresignOptions) {
		p.ClientOptions = append(p.ClientOptions, func(o *sts.Options) {
			o.APIOptions = append(o.APIOptions,
				smithyhttp.SetHeaderValue("x-k8s-aws-id", s.cluster),
				// The presigner moves this one into the query, where the authenticator demands it.
				smithyhttp.SetHeaderValue("X-Amz-Expires", "60"),
			)
		})
	})
	if err != nil {
		return "", authenticationFault(err, s.role)
	}
	s.token = tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(request.URL))
	s.expires = expires
	return s.token, nil
}

// Expire drops the token, so that the next request carries a new one.
func (s *tokenSource) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
}

// bearer is the transport that adds the token to each request, so that a client outlives its token.
type bearer struct {
	source *tokenSource
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := b.source.Token(request.Context())
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(request)
}

// WrappedRoundTripper lets client-go reach the transport below.
func (b *bearer) WrappedRoundTripper() http.RoundTripper { return b.next }
