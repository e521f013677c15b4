package preflight

import (
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// deletion says so when nobody in the target account may start a deletion, before somebody tries to: then
// deleting the provider stack, as Harmonix does, cannot remove the environment. trusted are the accounts
// whose delete hooks the starter role trusts, besides the platform account.
func deletion(s subject, trusted []string) []finding.Finding {
	if s.request.AccountID == s.platformAccount || slices.Contains(trusted, s.request.AccountID) {
		return nil
	}
	return []finding.Finding{finding.Warningf("NoTargetAccount", "/awsAccountID",
		"account %s is none of the orchestrator's TargetAccounts: deleting the environment's provider stack, as Harmonix does, will fail", s.request.AccountID).
		WithNext("deploy the orchestrator with the parameter TargetAccounts naming the account; the operation delete works without")}
}
