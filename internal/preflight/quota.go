package preflight

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// quotaAPI is what the checks need of Service Quotas.
type quotaAPI interface {
	GetServiceQuota(ctx context.Context, in *servicequotas.GetServiceQuotaInput, opts ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error)
	GetAWSDefaultServiceQuota(ctx context.Context, in *servicequotas.GetAWSDefaultServiceQuotaInput, opts ...func(*servicequotas.Options)) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error)
}

// need is what the request would newly make of something that AWS limits.
type need struct {
	// what is limited, in the plural, such as "VPCs in us-east-1".
	what           string
	service, quota string
	field          string
	// now is what the request makes at once, later what it may come to.
	now, later int
	used       func(ctx context.Context) (int, error)
}

// quotaOf reads the quota that applies to the account, or AWS' default where none was ever set: then
// GetServiceQuota knows none (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html).
func quotaOf(ctx context.Context, api quotaAPI, service, code string) (float64, error) {
	out, err := api.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	switch {
	case awsfault.Gone(err):
		standard, err := api.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
		if err != nil {
			return 0, err
		}
		return valueOf(standard.Quota)
	case err != nil:
		return 0, err
	}
	return valueOf(out.Quota)
}

func valueOf(q *types.ServiceQuota) (float64, error) {
	if q == nil || q.Value == nil {
		return 0, errors.New("service quotas answered without a value")
	}
	return *q.Value, nil
}

// compare holds the needs against quotas and usage, all at once. The first error is returned with what
// was found in spite of it.
func compare(ctx context.Context, api quotaAPI, region string, needs []need) ([]finding.Finding, error) {
	found := make([][]finding.Finding, len(needs))
	failed := make([]error, len(needs))
	var wait sync.WaitGroup
	for i, n := range needs {
		wait.Go(func() { found[i], failed[i] = n.compare(ctx, api, region) })
	}
	wait.Wait()
	var all []finding.Finding
	var first error
	for i := range needs {
		all = append(all, found[i]...)
		if first == nil {
			first = failed[i]
		}
	}
	return all, first
}

func (n need) compare(ctx context.Context, api quotaAPI, region string) ([]finding.Finding, error) {
	limit, err := quotaOf(ctx, api, n.service, n.quota)
	if err != nil {
		return nil, err
	}
	used, err := n.used(ctx)
	if err != nil {
		return nil, err
	}
	wayOut := func(wanted int) string {
		return fmt.Sprintf("remove what is not needed, or ask for at least %d and wait for it: aws service-quotas request-service-quota-increase --region %s --service-code %s --quota-code %s --desired-value %d",
			wanted, region, n.service, n.quota, wanted)
	}
	switch {
	case float64(used+n.now) > limit:
		return []finding.Finding{finding.Errorf("QuotaExceeded", n.field, "the account's quota of %s is %g, %d are in use, and this request makes %d more", n.what, limit, used, n.now).
			WithNext("%s", wayOut(used+n.now))}, nil
	case float64(used+n.later) > limit:
		return []finding.Finding{finding.Warningf("QuotaNear", n.field, "the account's quota of %s is %g, %d are in use, and this environment may come to use %d more", n.what, limit, used, n.later).
			WithNext("%s", wayOut(used+n.later))}, nil
	}
	return nil, nil
}

// summaryAPI is what the check of IAM's own quota needs.
type summaryAPI interface {
	GetAccountSummary(ctx context.Context, in *iam.GetAccountSummaryInput, opts ...func(*iam.Options)) (*iam.GetAccountSummaryOutput, error)
}

// roleQuota looks whether the account has room for the environment's roles. IAM tells quota and usage
// itself; Service Quotas has IAM's in one region only.
func roleQuota(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookAtRoleQuota(ctx, iam.NewFromConfig(s.config), s)
}

func lookAtRoleQuota(ctx context.Context, api summaryAPI, s subject) ([]finding.Finding, error) {
	missing := len(newNames(roleNames(s), s))
	if missing == 0 {
		return nil, nil
	}
	out, err := api.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		return nil, err
	}
	limit, ok := out.SummaryMap["RolesQuota"]
	used := int(out.SummaryMap["Roles"])
	if !ok || used+missing <= int(limit) {
		return nil, nil
	}
	return []finding.Finding{finding.Errorf("QuotaExceeded", "", "the account's quota of IAM roles is %d, %d are in use, and this request makes %d more", limit, used, missing).
		WithNext("remove roles that are not needed, or ask for a larger quota: aws service-quotas request-service-quota-increase --region us-east-1 --service-code iam --quota-code L-FE177D64 --desired-value %d", used+missing)}, nil
}

// total is the sum of what next counts on each page of an answer.
func total(ctx context.Context, more func() bool, next func(context.Context) (int, error)) (int, error) {
	sum := 0
	for more() {
		n, err := next(ctx)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
