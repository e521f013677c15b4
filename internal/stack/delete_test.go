package stack_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

func removal() stack.Removal {
	s := spec()
	return stack.Removal{Name: s.Name, RoleARN: s.RoleARN, Execution: s.Execution, Since: s.Since}
}

// TestDeleteInEveryStatus wants a stack gone that an earlier execution left in each status.
func TestDeleteInEveryStatus(t *testing.T) {
	deleting := live("DELETE_IN_PROGRESS")
	type want struct {
		calls  []string
		change environment.Change
	}
	removed := want{calls: []string{"DeleteStack"}, change: environment.Deleted}
	at := func(rest ...*types.Stack) []*types.Stack { return append(rest, deleting, nil) }

	cases := map[types.StackStatus]struct {
		reason string
		next   []*types.Stack
		want   want
	}{
		"CREATE_COMPLETE":          {"at rest", at(), removed},
		"UPDATE_COMPLETE":          {"at rest", at(), removed},
		"IMPORT_COMPLETE":          {"at rest", at(), removed},
		"UPDATE_ROLLBACK_COMPLETE": {"at rest", at(), removed},
		"IMPORT_ROLLBACK_COMPLETE": {"at rest", at(), removed},
		"CREATE_FAILED":            {"it never worked", at(), removed},
		"ROLLBACK_COMPLETE":        {"it never worked", at(), removed},
		"ROLLBACK_FAILED":          {"what the rollback could not delete is tried again", at(), removed},
		"UPDATE_FAILED":            {"no need to repair what is to go", at(), removed},
		"UPDATE_ROLLBACK_FAILED":   {"as above", at(), removed},
		"IMPORT_ROLLBACK_FAILED":   {"as above", at(), removed},
		"REVIEW_IN_PROGRESS":       {"a plan's empty shell", []*types.Stack{nil}, removed},
		"DELETE_FAILED":            {"half gone: tried again", at(), removed},

		"CREATE_IN_PROGRESS":                           {"its end is awaited: a resource made at that moment would be lost", at(live("CREATE_COMPLETE")), removed},
		"UPDATE_IN_PROGRESS":                           {"as above", at(live("UPDATE_COMPLETE")), removed},
		"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS":          {"as above", at(live("UPDATE_COMPLETE")), removed},
		"UPDATE_ROLLBACK_IN_PROGRESS":                  {"as above", at(live("UPDATE_ROLLBACK_COMPLETE")), removed},
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": {"as above", at(live("UPDATE_ROLLBACK_COMPLETE")), removed},
		"IMPORT_IN_PROGRESS":                           {"as above", at(live("IMPORT_COMPLETE")), removed},
		"IMPORT_ROLLBACK_IN_PROGRESS":                  {"as above", at(live("IMPORT_ROLLBACK_COMPLETE")), removed},
		"ROLLBACK_IN_PROGRESS":                         {"as above", at(live("ROLLBACK_COMPLETE")), removed},

		"DELETE_IN_PROGRESS": {"somebody's deletion is joined", []*types.Stack{nil}, want{change: environment.Deleted}},
		"DELETE_COMPLETE":    {"found by its id: gone", nil, want{change: environment.Unchanged}},
	}
	for _, status := range types.StackStatus("").Values() {
		t.Run(string(status), func(t *testing.T) {
			tc, ok := cases[status]
			if !ok {
				t.Fatalf("no case for %s: decide what the engine does about it", status)
			}
			c := &cloud{looks: append([]*types.Stack{live(status)}, tc.next...)}
			change, err := c.engine(t).Delete(t.Context(), removal())
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, want{c.calls, change}, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	const (
		held     = "resource sg-1 has a dependent object (Service: Ec2, Status Code: 400) DependencyViolation"
		updating = "Cannot delete because cluster north-1 currently has an update in progress (Service: Eks, Status Code: 409, Request ID: 79312daf)"
	)
	failed, now := live("DELETE_FAILED"), since.Add(2*time.Hour)
	// attempts are n deletions of the run that failed for the reason, two minutes apart, the last of them a while ago.
	attempts := func(n int, reason string, ago time.Duration) [][]types.StackEvent {
		var events []types.StackEvent
		for i := range n {
			begun := now.Add(-ago - time.Duration(i)*2*time.Minute)
			e := event(tokenOf(t, spec(), "delete")+begun.Format("1504"), "SecurityGroup", "DELETE_FAILED", reason)
			e.Timestamp = &begun
			events = append(events, e)
		}
		return [][]types.StackEvent{events}
	}
	// then are attempts before others.
	then := func(earlier, later [][]types.StackEvent) [][]types.StackEvent { return append(later, earlier...) }
	cases := map[string]struct {
		reason string
		cloud  cloud
		id     string
		calls  []string
		change environment.Change
		code   fault.Code
	}{
		"Absent":        {reason: "deleting twice is clean", cloud: cloud{looks: []*types.Stack{nil}}, change: environment.Unchanged},
		"GoneSinceSeen": {reason: "an invocation before this one deleted it", cloud: cloud{looks: []*types.Stack{live("DELETE_COMPLETE")}}, id: id, change: environment.Deleted},
		"Forgotten":     {reason: "after 90 days not even the id is known", cloud: cloud{looks: []*types.Stack{nil}}, id: id, change: environment.Deleted},
		"Protected": {reason: "the protection is lifted", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE", func(s *types.Stack) { s.EnableTerminationProtection = aws.Bool(true) }), nil}},
			calls: []string{"UpdateTerminationProtection", "DeleteStack"}, change: environment.Deleted},
		"StillMoving": {reason: "the wait is bounded", cloud: cloud{looks: []*types.Stack{live("DELETE_IN_PROGRESS")}}, code: fault.InProgress},
		"LostAnswer": {reason: "the deletion is under way already", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE"), nil}, errs: map[string]error{"DeleteStack": apiError("TokenAlreadyExistsException", "")}},
			calls: []string{"DeleteStack"}, change: environment.Deleted},
		"Denied": {reason: "a refusal is no reason to try on", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, errs: map[string]error{"DeleteStack": apiError("AccessDenied", "no")}},
			calls: []string{"DeleteStack"}, code: fault.AccessDenied},
		"Unknown":       {reason: "a status that is newer than the table", cloud: cloud{looks: []*types.Stack{live("SPLIT_IN_PROGRESS")}}, code: fault.Failed},
		"FailedOnce":    {reason: "tried again at once", cloud: cloud{looks: []*types.Stack{failed, nil}, pages: attempts(1, "Internal error", 0)}, calls: []string{"DeleteStack"}, change: environment.Deleted},
		"FailedTwice":   {reason: "reported", cloud: cloud{looks: []*types.Stack{failed}, pages: attempts(2, "Internal error", 0)}, code: fault.Failed},
		"HeldNow":       {reason: "what holds on is given time first", cloud: cloud{looks: []*types.Stack{failed}, pages: attempts(1, held, 0)}, code: fault.InProgress},
		"HeldForAWhile": {reason: "and tried again then", cloud: cloud{looks: []*types.Stack{failed, nil}, pages: attempts(3, held, 3*time.Minute)}, calls: []string{"DeleteStack"}, change: environment.Deleted},
		"HeldForGood":   {reason: "reported in the end", cloud: cloud{looks: []*types.Stack{failed}, pages: attempts(4, held, 3*time.Minute)}, code: fault.Failed},
		"Updating":      {reason: "an update can last for an hour", cloud: cloud{looks: []*types.Stack{failed, nil}, pages: attempts(28, updating, 3*time.Minute)}, calls: []string{"DeleteStack"}, change: environment.Deleted},
		"UpdatingNow":   {reason: "and is not asked about all the time", cloud: cloud{looks: []*types.Stack{failed}, pages: attempts(28, updating, 0)}, code: fault.InProgress},
		"UpdatingOn":    {reason: "then it is reported", cloud: cloud{looks: []*types.Stack{failed}, pages: attempts(30, updating, 3*time.Minute)}, code: fault.Failed},
		"UpdatedThenHeld": {reason: "what is in the way now counts", code: fault.Failed,
			cloud: cloud{looks: []*types.Stack{failed}, pages: then(attempts(3, updating, 10*time.Minute), attempts(1, held, 3*time.Minute))}},
		"HeldThenUpdating": {reason: "as above", calls: []string{"DeleteStack"}, change: environment.Deleted,
			cloud: cloud{looks: []*types.Stack{failed, nil}, pages: then(attempts(4, held, 10*time.Minute), attempts(1, updating, 3*time.Minute))}},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			r := removal()
			r.ID = tc.id
			engine := tc.cloud.engine(t)
			tc.cloud.now = now
			change, err := engine.Delete(t.Context(), r)
			if code := fault.CodeOf(err); code != tc.code || change != tc.change {
				t.Errorf("%s: got %q, %q (%v), want %q, %q", tc.reason, change, code, err, tc.change, tc.code)
			}
			if diff := cmp.Diff(tc.calls, tc.cloud.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A retry of the same call must be the same operation, and another attempt another one: CloudFormation
// refuses a token that it has seen with another operation (aws-traps.md, row 1.65).
func TestDeleteTokens(t *testing.T) {
	token := func(pages [][]types.StackEvent, status types.StackStatus) string {
		c := &cloud{looks: []*types.Stack{live(status), nil}, pages: pages}
		if _, err := c.engine(t).Delete(t.Context(), removal()); err != nil {
			t.Fatal(err)
		}
		return c.tokens[0]
	}
	first, repeated := token(nil, "CREATE_COMPLETE"), token(nil, "CREATE_COMPLETE")
	again := token([][]types.StackEvent{{event(first, "Vpc", "DELETE_FAILED", "Internal error")}}, "DELETE_FAILED")
	if first != repeated || first == again || first == "" {
		t.Errorf("tokens %q, repeated %q, next attempt %q", first, repeated, again)
	}
}

func TestDeleteFailureNamesTheResource(t *testing.T) {
	c := &cloud{looks: []*types.Stack{live("DELETE_FAILED")}, pages: [][]types.StackEvent{{
		event(tokenOf(t, spec(), "delete")+"b", "VPC", "DELETE_FAILED", "it is not empty"),
		event(tokenOf(t, spec(), "delete")+"a", "VPC", "DELETE_FAILED", "it is not empty"),
	}}}
	_, err := c.engine(t).Delete(t.Context(), removal())
	var f *fault.Error
	if !errors.As(err, &f) || f.Message != "stack "+name+" ended as DELETE_FAILED: AWS::EC2::VPC VPC failed: it is not empty" || f.Next == "" {
		t.Errorf("got %v", err)
	}
}

// Who deletes a stack that asks the run for its own deletion waits for the run. To wait for that one in
// turn would be to wait for ever.
func TestDeletionsOfOthers(t *testing.T) {
	deleting := live("DELETE_IN_PROGRESS")
	begun := func(token string) []types.StackEvent {
		return []types.StackEvent{
			event(token, "Parameter", "DELETE_IN_PROGRESS", ""),
			event(token, name, "DELETE_IN_PROGRESS", "User Initiated"),
			event("eksenv-0123-update-4567", name, "UPDATE_COMPLETE", ""),
		}
	}
	older := []types.StackEvent{event("", name, "DELETE_FAILED", ""), event("", name, "DELETE_IN_PROGRESS", "User Initiated")}
	cases := map[string]struct {
		reason string
		yields bool
		cloud  cloud
		by     stack.Deletion
		change environment.Change
		code   fault.Code
	}{
		"Nobody":   {reason: "Harmonix gives no token", yields: true, cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("")}}, by: stack.ForeignDeletion, change: environment.Deleted},
		"Console":  {reason: "the console gives one", yields: true, cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("Console-DeleteStack-1")}}, by: stack.ForeignDeletion, change: environment.Deleted},
		"Own":      {reason: "the run's own, or an earlier run's, is awaited", yields: true, cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("eksenv-89ab-delete-cdef")}}, by: stack.OwnDeletion, code: "InProgress"},
		"OwnLater": {reason: "the newest deletion counts", yields: true, cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("eksenv-89ab-delete-cdef"), older}}, by: stack.OwnDeletion, code: "InProgress"},
		"Patient":  {reason: "every other stack is awaited, whoever deletes it", cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("")}}, by: stack.ForeignDeletion, code: "InProgress"},
		"Page":     {reason: "it may be some pages back", yields: true, cloud: cloud{looks: []*types.Stack{deleting}, pages: [][]types.StackEvent{begun("")[:1], begun("")[1:]}}, by: stack.ForeignDeletion, change: environment.Deleted},
		"RollsBack": {reason: "a creation that is taken back is no deletion", yields: true,
			cloud: cloud{looks: []*types.Stack{live("ROLLBACK_IN_PROGRESS")}, pages: [][]types.StackEvent{older}}, by: stack.NoDeletion, code: "InProgress"},
		"Updates": {reason: "nor is what an update cleans up", yields: true,
			cloud: cloud{looks: []*types.Stack{live("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")}, pages: [][]types.StackEvent{older}}, by: stack.NoDeletion, code: "InProgress"},
	}
	for n, tc := range cases {
		t.Run(n, func(t *testing.T) {
			by, since, err := tc.cloud.engine(t).DeletedBy(t.Context(), id)
			if err != nil || by != tc.by {
				t.Errorf("%s: deleted by %v (%v), want %v", tc.reason, by, err, tc.by)
			}
			if since.IsZero() == (by != stack.NoDeletion) {
				t.Errorf("%s: since %s", tc.reason, since)
			}
			again := cloud{looks: tc.cloud.looks, pages: tc.cloud.pages}
			r := removal()
			r.Yields = tc.yields
			change, err := again.engine(t).Delete(t.Context(), r)
			if code := fault.CodeOf(err); code != tc.code || change != tc.change || len(again.calls) > 0 {
				t.Errorf("%s: got %q, %q (%v) after %v, want %q, %q", tc.reason, change, code, err, again.calls, tc.change, tc.code)
			}
		})
	}
}
