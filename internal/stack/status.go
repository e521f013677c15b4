package stack

import "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

// action is what Converge does about a stack.
type action string

const (
	// create makes the stack: there is none.
	create action = "create"
	// update compares the stack with its spec and updates it where they differ.
	update action = "update"
	// join waits for an operation under way, whoever started it.
	join action = "join"
	// replace deletes a stack that never worked or is half gone, and makes it anew.
	replace action = "replace"
	// resume continues a rollback that got stuck.
	resume action = "resume"
	// rollback takes back an operation that failed with its rollback disabled.
	rollback action = "rollback"
	// refuse fails and says what a person has to do.
	refuse action = "refuse"
)

// actions has one answer for each status a stack can have (aws-traps.md, row 1.72: a stage that
// knows only COMPLETE and FAILED is stuck for ever). The answers that repair something do so once
// in a run: a failure of this run's own operation is reported (see [Engine.Converge]).
//
// Nothing here skips or abandons a resource: ResourcesToSkip, ForceRollback, RetainResources and
// FORCE_DELETE_STACK say success and leave orphans behind (row 1.73), so they are a person's
// decision.
var actions = map[types.StackStatus]action{
	// At rest and sound.
	types.StackStatusCreateComplete: update,
	types.StackStatusUpdateComplete: update,
	types.StackStatusImportComplete: update,
	// At rest with the configuration from before a failed operation, which is sound.
	types.StackStatusUpdateRollbackComplete: update,
	types.StackStatusImportRollbackComplete: update,

	// Moving. The lock keeps two executions off one environment, so this is an earlier invocation
	// of this run, an execution that was aborted, or a person: in any case the end has to be
	// awaited, since CloudFormation refuses a second operation.
	types.StackStatusCreateInProgress:         join,
	types.StackStatusRollbackInProgress:       join,
	types.StackStatusDeleteInProgress:         join,
	types.StackStatusUpdateInProgress:         join,
	types.StackStatusUpdateRollbackInProgress: join,
	types.StackStatusImportInProgress:         join,
	types.StackStatusImportRollbackInProgress: join,
	// The configuration is decided already, but an update would be refused, and a stage that went
	// on could meet resources that are being deleted.
	types.StackStatusUpdateCompleteCleanupInProgress:         join,
	types.StackStatusUpdateRollbackCompleteCleanupInProgress: join,

	// The create failed and was rolled back: the stack can only be deleted.
	types.StackStatusRollbackComplete: replace,
	// The rollback of a create could not delete everything. The stack never worked, so a plain
	// delete, which tries the leftovers again, is its only way on.
	types.StackStatusRollbackFailed: replace,
	// The create failed with rollback disabled, or before its first resource (row 1.71).
	// RollbackStack would lead to ROLLBACK_COMPLETE; the delete takes the shorter way.
	types.StackStatusCreateFailed: replace,
	// Somebody wanted the stack gone and part of it is: no operation but another delete is
	// allowed. What could not be deleted is tried again by a plain delete, which fails again
	// rather than lose it.
	types.StackStatusDeleteFailed: replace,
	// A change set for a new name was never executed, for example a plan's (row 1.69). Such a
	// stack has neither template nor resources, but CreateStack says AlreadyExists.
	types.StackStatusReviewInProgress: replace,

	// Deleted stacks are found only by id; by name there is none.
	types.StackStatusDeleteComplete: create,

	types.StackStatusUpdateRollbackFailed: resume,
	types.StackStatusUpdateFailed:         rollback,

	// This project imports nothing, so a person did, and only that person knows what belongs into
	// the stack.
	types.StackStatusImportRollbackFailed: refuse,
}

// actionFor returns the answer to status. A status newer than the table is refused: a wrong guess
// could delete something.
func actionFor(status types.StackStatus) action {
	if a, ok := actions[status]; ok {
		return a
	}
	return refuse
}
