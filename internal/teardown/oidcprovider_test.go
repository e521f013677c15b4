package teardown

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

type issuers map[string]bool

func (i issuers) GetOpenIDConnectProvider(_ context.Context, in *iam.GetOpenIDConnectProviderInput, _ ...func(*iam.Options)) (*iam.GetOpenIDConnectProviderOutput, error) {
	if !i[*in.OpenIDConnectProviderArn] {
		return nil, &iamtypes.NoSuchEntityException{}
	}
	return &iam.GetOpenIDConnectProviderOutput{}, nil
}

func TestStrayProvider(t *testing.T) {
	const arn = "arn:aws:iam::222222222222:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A"
	for _, tc := range []struct {
		reason, arn string
		there, told bool
	}{
		{reason: "the stack's own went with it", arn: arn},
		{reason: "one made by hand stays (row 6.11)", arn: arn, there: true, told: true},
		{reason: "there was no cluster"},
	} {
		got, err := strayProvider(t.Context(), issuers{arn: tc.there}, tc.arn)
		if err != nil {
			t.Fatal(err)
		}
		if told := len(got) == 1 && got[0].What == "OIDC provider "+arn && strings.Contains(got[0].Why, "delete-open-id-connect-provider"); told != tc.told || len(got) > 1 {
			t.Errorf("%s: %v", tc.reason, got)
		}
	}
}
