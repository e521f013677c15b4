package preflight

import (
	"slices"

	"github.com/harmonix-eks/environment-provider/internal/environment"
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

// otherOrchestrator says so when the account's delete hook starts deletions with another orchestrator's
// role. There is one hook in an account and region, and each apply makes it the orchestrator's that runs it:
// afterwards the other's provider stacks cannot be deleted. An orchestrator that was deployed anew is
// another one, too, so this stops nothing. starter is this one's role.
func otherOrchestrator(s subject, starter string) []finding.Finding {
	role := s.stacks[environment.DeleteHookStack].Parameters["StarterRoleArn"]
	if role == "" || role == starter {
		return nil
	}
	return []finding.Finding{finding.Warningf("OtherOrchestrator", "/awsAccountID",
		"another orchestrator works in account %s and region %s, or did: its delete hook starts deletions as %s. From now on it does so as %s, and deleting a provider stack that the other has made, as Harmonix does, will fail",
		s.request.AccountID, s.request.Region, role, starter).
		WithNext("use one orchestrator in an account and region, and apply the other's environments again with it; the operation delete works with either")}
}
