package teardown

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// providerAPI is what the package needs of OIDC providers.
type providerAPI interface {
	GetOpenIDConnectProvider(context.Context, *iam.GetOpenIDConnectProviderInput, ...func(*iam.Options)) (*iam.GetOpenIDConnectProviderOutput, error)
}

// strayProvider reports the OIDC provider of the cluster's issuer if it has outlived the cluster's
// stack: somebody else has made it, and roles may trust it (aws-traps.md, row 6.11).
func strayProvider(ctx context.Context, api providerAPI, arn string) ([]environment.Leftover, error) {
	if arn == "" {
		return nil, nil
	}
	_, err := api.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if awsfault.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "look at OIDC provider %s", arn)
	}
	return []environment.Leftover{{
		What: "OIDC provider " + arn,
		Why: fmt.Sprintf("it is the deleted cluster's, and no stack of the environment has made it: "+
			"remove the roles that trust it, then aws iam delete-open-id-connect-provider --open-id-connect-provider-arn %s", arn),
	}}, nil
}

// issuer returns the ARN of the OIDC provider that the cluster's issuer has or would have, empty if
// there is no cluster. IAM derives the one from the other.
func (i inventory) issuer(ctx context.Context, api clusterAPI, r environment.Request) (string, error) {
	cluster, err := clusterOf(ctx, api, i.names.Cluster)
	if err != nil || cluster == nil || cluster.Identity == nil || cluster.Identity.Oidc == nil {
		return "", err
	}
	_, issuer, found := strings.Cut(aws.ToString(cluster.Identity.Oidc.Issuer), "https://")
	_, partition, _ := strings.Cut(aws.ToString(cluster.Arn), ":")
	partition, _, _ = strings.Cut(partition, ":")
	if !found || partition == "" {
		return "", nil
	}
	return "arn:" + partition + ":iam::" + r.AccountID + ":oidc-provider/" + issuer, nil
}
