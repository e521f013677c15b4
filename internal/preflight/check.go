package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// subject is what the checks look at.
type subject struct {
	// config has the environment role's credentials in the target region.
	config aws.Config
	// platform has the function's own credentials, in the account platformAccount.
	platform        aws.Config
	platformAccount string
	// request is valid, has its defaults and the Kubernetes version that was chosen.
	request environment.Request
	names   environment.Names
	// describer looks at a stack anew.
	describer describer
	// stacks are the environment's stacks that exist, by name, with those that all share. Those whose
	// creation failed, which are made anew, are not among them.
	stacks map[string]stack.Description
	// statuses are those of all stacks that exist, whatever became of them.
	statuses map[string]types.StackStatus
	// zones are those of the VPC that the environment makes or has made; none in an existing VPC.
	zones []string
	// live is the Kubernetes version of the environment's cluster, empty where there is none.
	live string
}

// made reports whether anything of the environment is there; the bootstrap stack and the delete hook's
// are everybody's.
func (s subject) made() bool {
	for name := range s.stacks {
		if name != s.names.BootstrapStack && name != environment.DeleteHookStack {
			return true
		}
	}
	return s.live != ""
}

// exists reports whether the stack called name is there: what it makes need not be room for again.
func (s subject) exists(name string) bool {
	_, ok := s.stacks[name]
	return ok
}

// check looks at one concern, by calls that only read. What it finds goes into the report. An error
// means that it could not look: that stops nothing, because a later stage finds the same, only later.
type check struct {
	// what is looked at, as the end of the sentence "… was not checked".
	what string
	look func(ctx context.Context, s subject) ([]finding.Finding, error)
}

// checks are all of them, grouped by file.
func checks() []check {
	return []check{
		{what: "changes of what cannot change", look: changes},
		{what: "whose the stacks are", look: foreignStacks},
		{what: "the support of the Kubernetes version", look: supportEnd},
		{what: "the roles of Harmonix", look: harmonixRoles},
		{what: "the cluster admin role", look: adminRole},
		{what: "the permissions of the environment role", look: environmentRole},
		{what: "service-linked roles", look: missingLinkedRoles},
		{what: "the permissions boundary", look: boundary},
		{what: "instance types and the quota of vCPUs", look: instances},
		{what: "the quotas of the network", look: networkQuotas},
		{what: "the quota of clusters", look: clusterQuota},
		{what: "the quota of roles", look: roleQuota},
		{what: "the name of the cluster", look: takenCluster},
		{what: "the names of roles", look: takenRoles},
		{what: "the name of the audit table", look: takenTable},
		{what: "the names of keys", look: takenAliases},
		{what: "the names of log groups", look: takenLogGroups},
		{what: "the name of the kubectl function", look: takenFunction},
		{what: "the names of SSM parameters", look: takenParameters},
		{what: "the addresses for an upgrade", look: roomToUpgrade},
		{what: "the existing VPC", look: existingVPC},
		{what: "the services of the VPC's endpoints", look: endpointServices},
	}
}

// inspect makes all checks at once and joins what they found, in their order.
func inspect(ctx context.Context, s subject, all []check) []finding.Finding {
	found := make([][]finding.Finding, len(all))
	failed := make([]error, len(all))
	var wait sync.WaitGroup
	for i, c := range all {
		wait.Go(func() { found[i], failed[i] = c.look(ctx, s) })
	}
	wait.Wait()
	return append(slices.Concat(found...), unchecked(all, failed)...)
}

// unchecked returns a warning for each reason for which checks were not made.
func unchecked(all []check, failed []error) []finding.Finding {
	var reasons []string
	what, denied := map[string][]string{}, map[string]bool{}
	for i, err := range failed {
		if err == nil {
			continue
		}
		reason := err.Error()
		if action := deniedAction(err); action != "" {
			reason = "the environment role may not call " + action
			denied[reason] = true
		}
		if what[reason] == nil {
			reasons = append(reasons, reason)
		}
		what[reason] = append(what[reason], all[i].what)
	}
	var warnings []finding.Finding
	for _, reason := range reasons {
		w := finding.Warningf("NotChecked", "", "not checked: %s, because %s", strings.Join(what[reason], ", "), reason)
		if denied[reason] {
			w.Field = "/environmentRole"
			w = w.WithNext("allow it, as infra/environment-role.yaml does: the account may lack what the stages need, and they find it only when they come to it")
		}
		warnings = append(warnings, w)
	}
	return warnings
}

// deniedAction returns the action, as policies name it, that err says is not allowed; empty for any other error.
func deniedAction(err error) string {
	var operation *smithy.OperationError
	if !errors.As(err, &operation) || awsfault.CodeOf(err) != fault.AccessDenied {
		return ""
	}
	service := strings.ToLower(strings.ReplaceAll(operation.ServiceID, " ", ""))
	if service == "cloudwatchlogs" {
		service = "logs"
	}
	return fmt.Sprintf("%s:%s", service, operation.OperationName)
}
