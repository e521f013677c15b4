package stack_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// TestEveryStatus meets a stack in each status, left there from before the run and not what the
// spec says, and follows it to its end.
func TestEveryStatus(t *testing.T) {
	fresh := live(types.StackStatusCreateComplete, created(after))
	renewed := live(types.StackStatusUpdateComplete, updated(after))
	deleting := live(types.StackStatusDeleteInProgress)
	// The fake's stack after a successful repair, still with the old parameter.
	repaired := live(types.StackStatusUpdateRollbackComplete, cidr("10.9.0.0/16"), updated(after))

	type want struct {
		calls  []string
		change environment.Change
		code   fault.Code
	}
	updates := want{calls: []string{"UpdateStack"}, change: environment.Updated}
	replaces := want{calls: []string{"DeleteStack", "CreateStack"}, change: environment.Created}
	waits := want{change: environment.Unchanged}

	cases := map[types.StackStatus]struct {
		reason string
		// next is what the engine sees after the status itself.
		next []*types.Stack
		want want
	}{
		"CREATE_COMPLETE":          {"a sound stack is updated", []*types.Stack{renewed}, updates},
		"UPDATE_COMPLETE":          {"a sound stack is updated", []*types.Stack{renewed}, updates},
		"IMPORT_COMPLETE":          {"a sound stack is updated", []*types.Stack{renewed}, updates},
		"UPDATE_ROLLBACK_COMPLETE": {"an earlier update failed; this one may not", []*types.Stack{renewed}, updates},
		"IMPORT_ROLLBACK_COMPLETE": {"the stack is as it was before the import", []*types.Stack{renewed}, updates},

		"CREATE_IN_PROGRESS":                           {"joined", []*types.Stack{live("CREATE_COMPLETE")}, waits},
		"UPDATE_IN_PROGRESS":                           {"joined", []*types.Stack{live("UPDATE_COMPLETE")}, waits},
		"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":          {"joined", []*types.Stack{live("UPDATE_COMPLETE")}, waits},
		"UPDATE_ROLLBACK_IN_PROGRESS":                  {"joined", []*types.Stack{live("UPDATE_ROLLBACK_COMPLETE")}, waits},
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {"joined", []*types.Stack{live("UPDATE_ROLLBACK_COMPLETE")}, waits},
		"IMPORT_IN_PROGRESS":                           {"joined", []*types.Stack{live("IMPORT_COMPLETE")}, waits},
		"IMPORT_ROLLBACK_IN_PROGRESS":                  {"joined", []*types.Stack{live("IMPORT_ROLLBACK_COMPLETE")}, waits},
		"ROLLBACK_IN_PROGRESS":                         {"joined, then replaced", []*types.Stack{live("ROLLBACK_COMPLETE"), deleting, nil, fresh}, replaces},
		"DELETE_IN_PROGRESS":                           {"joined, then created", []*types.Stack{nil, fresh}, want{calls: []string{"CreateStack"}, change: environment.Created}},

		"CREATE_FAILED":      {"it never worked", []*types.Stack{deleting, nil, fresh}, replaces},
		"ROLLBACK_COMPLETE":  {"it can only be deleted", []*types.Stack{deleting, nil, fresh}, replaces},
		"ROLLBACK_FAILED":    {"it can only be deleted", []*types.Stack{deleting, nil, fresh}, replaces},
		"DELETE_FAILED":      {"half gone", []*types.Stack{deleting, nil, fresh}, replaces},
		"REVIEW_IN_PROGRESS": {"a plan's empty shell", []*types.Stack{nil, fresh}, replaces},
		"DELETE_COMPLETE":    {"there is none", []*types.Stack{fresh}, want{calls: []string{"CreateStack"}, change: environment.Created}},

		"UPDATE_ROLLBACK_FAILED": {"the rollback is continued, then the stack updated", []*types.Stack{live("UPDATE_ROLLBACK_IN_PROGRESS"), repaired, renewed},
			want{calls: []string{"ContinueUpdateRollback", "UpdateStack"}, change: environment.Updated}},
		"UPDATE_FAILED": {"the update is rolled back, then the stack updated", []*types.Stack{live("UPDATE_ROLLBACK_IN_PROGRESS"), repaired, renewed},
			want{calls: []string{"RollbackStack", "UpdateStack"}, change: environment.Updated}},
		"IMPORT_ROLLBACK_FAILED": {"a person's import", nil, want{code: fault.Failed}},
	}

	statuses := types.StackStatus("").Values()
	if len(statuses) != 23 {
		t.Errorf("the SDK knows %d stack statuses, the engine was written for 23", len(statuses))
	}
	for _, status := range statuses {
		t.Run(string(status), func(t *testing.T) {
			tc, ok := cases[status]
			if !ok {
				t.Fatalf("no case for %s: decide what the engine does about it", status)
			}
			c := &cloud{looks: append([]*types.Stack{live(status, cidr("10.9.0.0/16"))}, tc.next...)}
			got, err := c.engine(t).Converge(t.Context(), spec())
			if diff := cmp.Diff(tc.want.code, fault.CodeOf(err)); diff != "" {
				t.Fatalf("%s: code: -want +got:\n%s\n%v", tc.reason, diff, err)
			}
			if diff := cmp.Diff(tc.want.calls, c.calls); diff != "" {
				t.Errorf("%s: calls: -want +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.change, got.Change); diff != "" {
				t.Errorf("%s: change: -want +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestUnknownStatusIsRefused(t *testing.T) {
	c := &cloud{looks: []*types.Stack{live("SPLIT_IN_PROGRESS")}}
	_, err := c.engine(t).Converge(t.Context(), spec())
	if fault.CodeOf(err) != fault.Failed || len(c.calls) != 0 {
		t.Errorf("want a refusal and no call, got %v and %v", err, c.calls)
	}
}
