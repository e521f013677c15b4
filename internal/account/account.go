// Package account connects to a target account: it assumes the request's environment role and
// hands out an AWS configuration for the target region. It must not know what is done there.
package account

import (
	"context"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// sessionDuration is the longest session that a role assumed by a role may have
// (aws-traps.md, row 1.63); the SDK's own default is 15 minutes.
const sessionDuration = time.Hour

// Target says where to work and as whom.
type Target struct {
	AccountID  string
	Region     string
	RoleARN    string
	ExternalID string
	// Session names the session in the target account's CloudTrail.
	Session string
	// Policy narrows what the session may do; empty leaves it all that the role may.
	Policy string
}

// TargetOf is the target of request r.
func TargetOf(r environment.Request) Target {
	t := Target{
		AccountID:  r.AccountID,
		Region:     r.Region,
		RoleARN:    r.EnvironmentRole,
		ExternalID: r.ExternalID,
		Session:    r.Prefix + "-" + r.Name,
	}
	if r.Plans() {
		t.Policy = PlanPolicy
	}
	return t
}

// Connector assumes environment roles with the function's own identity.
type Connector struct {
	base aws.Config
}

// NewConnector returns a connector that starts from base, the function's own configuration.
func NewConnector(base aws.Config) *Connector { return &Connector{base: base} }

// Connect returns a configuration for t's region with credentials of t's role. The role is
// assumed at once, so that a role that cannot be assumed is reported here as
// [fault.AccessDenied] and not by the first call that needs it.
func (c *Connector) Connect(ctx context.Context, t Target) (aws.Config, error) {
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c.base), t.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.Duration = sessionDuration
		o.RoleSessionName = sessionName(t.Session)
		if t.ExternalID != "" {
			o.ExternalID = aws.String(t.ExternalID)
		}
		if t.Policy != "" {
			o.Policy = aws.String(t.Policy)
		}
	})
	cfg := c.base.Copy()
	cfg.Region = t.Region
	cfg.Credentials = aws.NewCredentialsCache(role)
	// CloudFormation throttles per account and region, for all environments together
	// (aws-traps.md, row 1.68): try again here before the state does. The SDK's adaptive mode would
	// be in vain, since every invocation connects anew and what it learns is gone with it.
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 5 })
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, classify(err, t)
	}
	return cfg, nil
}

// classify turns a failed AssumeRole into a fault that says what to change.
func classify(err error, t Target) error {
	code := awsfault.CodeOf(err)
	if code != fault.AccessDenied {
		return fault.Wrap(code, err, "cannot assume %s", t.RoleARN)
	}
	with := "without an ExternalId"
	if t.ExternalID != "" {
		with = "with the request's externalId"
	}
	return fault.Wrap(fault.AccessDenied, err, "cannot assume %s %s", t.RoleARN, with).
		WithField("/environmentRole").
		WithNext("deploy infra/environment-role.yaml into account %s, or let the role's trust policy name this orchestrator's account and the request's externalId", t.AccountID)
}

var notInSessionName = regexp.MustCompile(`[^\w+=,.@-]`)

// sessionName makes s a legal RoleSessionName: 2 to 64 of [\w+=,.@-].
func sessionName(s string) string {
	s = notInSessionName.ReplaceAllString("eks-environment-"+s, "-")
	return s[:min(len(s), 64)]
}
