package preflight

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// policies answers for one policy, or with an error.
type policies struct {
	arn string
	err error
}

func (p policies) GetPolicy(_ context.Context, in *iam.GetPolicyInput, _ ...func(*iam.Options)) (*iam.GetPolicyOutput, error) {
	if p.err == nil && *in.PolicyArn != p.arn {
		return nil, &types.NoSuchEntityException{}
	}
	return &iam.GetPolicyOutput{}, p.err
}

func TestBoundary(t *testing.T) {
	const arn = "arn:aws:iam::222222222222:policy/team/boundary"
	cases := map[string]struct {
		reason, asked string
		api           policies
		code          string
		fails         bool
	}{
		"None":    {reason: "nothing is asked", api: policies{err: errors.New("called")}},
		"There":   {reason: "all is well", asked: arn, api: policies{arn: arn}},
		"Missing": {reason: "it has another path", asked: "arn:aws:iam::222222222222:policy/boundary", api: policies{arn: arn}, code: "BoundaryMissing"},
		"Denied":  {reason: "not to know is no finding", asked: arn, api: policies{err: errors.New("denied")}, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := lookForBoundary(t.Context(), tc.api, tc.asked)
			code := ""
			if len(found) > 0 {
				code = found[0].Code
			}
			if code != tc.code || (err != nil) != tc.fails {
				t.Errorf("%s: got %v, %v", tc.reason, found, err)
			}
		})
	}
}
