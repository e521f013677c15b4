package teardown

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// retained are the resources that the request keeps of a stack, by their logical ids. The audit table is
// of no use without the key that it is encrypted with.
func retained(r environment.Request, n environment.Names, stack string) []string {
	var ids []string
	add := func(what string, logical ...string) {
		if r.Retains(what) {
			ids = append(ids, logical...)
		}
	}
	switch stack {
	case n.IdentityStack:
		add(environment.RetainAuditTable, "AuditTable", "AuditKey")
		add(environment.RetainKeys, "AuditKey", "SecretsKey")
	case n.KubectlStack:
		add(environment.RetainLogs, "LogGroup")
	case n.EgressStack:
		add(environment.RetainLogs, "FlowLogGroup")
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// retainer says whether a stack can be told to keep something.
type retainer interface {
	CheckRetain(ctx context.Context, name string, ids []string) error
}

// checkRetain refuses a removal that could not keep what it has to, while everything is still there.
func checkRetain(ctx context.Context, stacks retainer, s environment.State) error {
	for _, name := range s.Names.Stacks() {
		if err := stacks.CheckRetain(ctx, name, retained(s.Request, s.Names, name)); err != nil {
			return err
		}
	}
	return nil
}

// keptKeys parts the environment's keys into those that the request keeps and those that may go.
func keptKeys(r environment.Request, survey *environment.Survey) (kept []environment.Leftover, rest []string) {
	for _, arn := range survey.KeyARNs {
		switch {
		case r.Retains(environment.RetainKeys):
			kept = append(kept, environment.Leftover{What: keyText(arn), Why: "retain names keys"})
		case r.Retains(environment.RetainAuditTable) && arn == survey.AuditKeyARN:
			kept = append(kept, environment.Leftover{What: keyText(arn), Why: "the audit table that is kept is encrypted with it"})
		default:
			rest = append(rest, arn)
		}
	}
	return kept, rest
}

type tableAPI interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// keptTable is the audit table, if it is there: the request keeps it, or it was kept when its stack was deleted.
func keptTable(ctx context.Context, api tableAPI, s environment.State) ([]environment.Leftover, error) {
	table := s.Names.AuditTable
	_, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if awsfault.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "look at table %s", table)
	}
	why := "retain names auditTable"
	if !s.Request.Retains(environment.RetainAuditTable) {
		why = "an earlier removal was to keep it, or its stack was deleted without it; if nobody needs it: aws dynamodb delete-table --table-name " + table
	}
	return []environment.Leftover{{What: "table " + table, Why: why}}, nil
}

// keptLogs are the log groups, if the request keeps them.
func keptLogs(ctx context.Context, groups finder, r environment.Request) ([]environment.Leftover, error) {
	if !r.Retains(environment.RetainLogs) {
		return nil, nil
	}
	items, err := groups(ctx)
	var kept []environment.Leftover
	for _, i := range items {
		kept = append(kept, environment.Leftover{What: i.what, Why: "retain names logs"})
	}
	return kept, err
}
