// Package lock lets one execution at a time work on an environment (design, decision 12). A lock
// is a row in the orchestrator's table with the execution that holds it; it is taken and given
// back by conditional writes only.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

type table interface {
	GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
}

type executions interface {
	DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, opts ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
}

// Table is the table of locks.
type Table struct {
	api  table
	name string
}

// NewTable returns the table of that name. Its keys are "id" and "sort", both strings; it may hold
// other rows.
func NewTable(api table, name string) *Table { return &Table{api: api, name: name} }

// hold is what the row of a lock says: who has it, and since when. It is empty where there is no row.
type hold struct {
	owner string
	since time.Time
}

func holdOf(row map[string]types.AttributeValue) hold {
	owner, _ := row[ownerAttribute].(*types.AttributeValueMemberS)
	if owner == nil {
		return hold{}
	}
	h := hold{owner: owner.Value}
	if since, ok := row[sinceAttribute].(*types.AttributeValueMemberS); ok {
		h.since, _ = time.Parse(time.RFC3339, since.Value)
	}
	return h
}

// errHeld is returned by put when the row's condition does not hold.
type errHeld struct{ hold }

func (e errHeld) Error() string { return "held by " + e.owner }

const (
	ownerAttribute = "owner"
	sinceAttribute = "since"
)

// put writes the lock with owner as its holder, if nobody or expected holds it.
func (t *Table) put(ctx context.Context, r environment.Request, owner, expected string) error {
	item := key(r)
	item[ownerAttribute] = &types.AttributeValueMemberS{Value: owner}
	item[sinceAttribute] = &types.AttributeValueMemberS{Value: time.Now().UTC().Format(time.RFC3339)}
	_, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &t.name,
		Item:                                item,
		ConditionExpression:                 aws.String("attribute_not_exists(id) OR #owner = :expected"),
		ExpressionAttributeNames:            map[string]string{"#owner": ownerAttribute},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":expected": &types.AttributeValueMemberS{Value: expected}},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var held *types.ConditionalCheckFailedException
	if errors.As(err, &held) {
		h := holdOf(held.Item)
		if h.owner == "" {
			// The holder let go between the check and the answer.
			return fault.New(fault.Transient, "the lock changed hands")
		}
		return errHeld{h}
	}
	if err != nil {
		return account.Classify(err, "write the lock into table %s", t.name)
	}
	return nil
}

// read returns what the lock's row says.
func (t *Table) read(ctx context.Context, r environment.Request) (hold, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key(r), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return hold{}, account.Classify(err, "read the lock from table %s", t.name)
	}
	return holdOf(out.Item), nil
}

// Release gives the lock back if owner holds it. A lock that is not there, or another's, is left
// as it is: releasing twice is safe.
func (t *Table) Release(ctx context.Context, r environment.Request, owner string) error {
	_, err := t.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &t.name,
		Key:                       key(r),
		ConditionExpression:       aws.String("#owner = :owner"),
		ExpressionAttributeNames:  map[string]string{"#owner": ownerAttribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{":owner": &types.AttributeValueMemberS{Value: owner}},
	})
	var other *types.ConditionalCheckFailedException
	if err == nil || errors.As(err, &other) {
		return nil
	}
	return account.Classify(err, "release the lock in table %s", t.name)
}

func key(r environment.Request) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"id":   &types.AttributeValueMemberS{Value: r.Key()},
		"sort": &types.AttributeValueMemberS{Value: "lock"},
	}
}

// Stage is the Lock stage.
type Stage struct {
	table      *Table
	executions executions
}

// New returns the stage.
func New(t *Table, e executions) *Stage { return &Stage{table: t, executions: e} }

// Run takes the environment's lock for this execution. A lock that another running execution holds
// is [fault.Conflict]; one whose execution is over is taken from it, because an execution that was
// stopped cannot give it back. For a plan it only looks who holds the lock.
//
// An execution that Step Functions does not know is waited for while it may only be too new to be seen.
//
// A removal waits for another removal of the environment, and goes on from where that one has ended: both
// want the same, and who deletes the provider stack knows nothing of executions.
func (s *Stage) Run(ctx context.Context, in stage.Input) (section *environment.Lock, err error) {
	if in.State.Request.Plans() {
		section = unlocked()
		return section, s.look(ctx, in.State.Request, section)
	}
	err = stage.Poll(ctx, func(ctx context.Context) (err error) {
		section, err = s.take(ctx, in)
		return err
	})
	return section, err
}

func unlocked() *environment.Lock {
	return &environment.Lock{Progress: environment.Progress{Change: environment.Unchanged}}
}

// take takes the lock, or answers [fault.InProgress] while another removal has it, or an execution that is not
// known yet.
func (s *Stage) take(ctx context.Context, in stage.Input) (*environment.Lock, error) {
	me, section := in.State.Execution.ARN, unlocked()
	err := s.table.put(ctx, in.State.Request, me, me)
	var held errHeld
	if !errors.As(err, &held) {
		return section, err
	}
	holder, err := s.holder(ctx, held.hold)
	switch {
	case err != nil:
		return nil, err
	case holder.unseen:
		return nil, fault.New(fault.InProgress, "environment %s is held by execution %s, which Step Functions does not know yet; it counts as over %.0f minutes after it took the lock",
			in.State.Names.Environment, held.owner, seenWithin.Minutes()).WithHolder(held.owner)
	case holder.running && holder.removes && in.State.Request.Operation == environment.OperationDelete:
		return nil, fault.New(fault.InProgress, "environment %s is being removed by execution %s; this removal begins when that one has ended", in.State.Names.Environment, held.owner).WithHolder(held.owner)
	case holder.running:
		return nil, fault.New(fault.Conflict, "environment %s is being worked on by execution %s", in.State.Names.Environment, held.owner).WithHolder(held.owner).
			WithNext("wait until that execution has ended, or stop it, and start this request again: %s", environment.Execution{ARN: held.owner}.ConsoleURL())
	}
	section.TakenFrom = held.owner
	err = s.table.put(ctx, in.State.Request, me, held.owner)
	if errors.As(err, &held) {
		return nil, fault.New(fault.Conflict, "environment %s was taken by execution %s at the same moment", in.State.Names.Environment, held.owner).WithHolder(held.owner).
			WithNext("wait until that execution has ended and start this request again: %s", environment.Execution{ARN: held.owner}.ConsoleURL())
	}
	return section, err
}

// look notes in the section which execution holds the lock that runs, or may run.
func (s *Stage) look(ctx context.Context, r environment.Request, section *environment.Lock) error {
	held, err := s.table.read(ctx, r)
	if err != nil || held.owner == "" {
		return err
	}
	found, err := s.holder(ctx, held)
	if found.running || found.unseen {
		section.HeldBy = held.owner
	}
	return err
}

// holder is an execution that has the lock.
type holder struct {
	running bool
	// removes says that it was started to remove the environment.
	removes bool
	// unseen says that it may have begun too short a while ago to be known.
	unseen bool
}

// seenWithin is for how long Step Functions may not know an execution that has taken the lock:
// DescribeExecution is eventually consistent.
const seenWithin = 5 * time.Minute

// holder looks at the execution that has the lock. One that Step Functions no longer knows is over: history
// is kept for 90 days.
func (s *Stage) holder(ctx context.Context, h hold) (holder, error) {
	out, err := s.executions.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &h.owner})
	var unknown *sfntypes.ExecutionDoesNotExist
	if errors.As(err, &unknown) {
		return holder{unseen: time.Since(h.since) < seenWithin}, nil
	}
	if err != nil {
		return holder{}, account.Classify(err, "describe execution %s", h.owner)
	}
	var request struct{ Operation string }
	// Preflight has read it, or it would have no lock.
	_ = json.Unmarshal([]byte(aws.ToString(out.Input)), &request)
	return holder{
		running: out.Status == sfntypes.ExecutionStatusRunning || out.Status == sfntypes.ExecutionStatusPendingRedrive,
		removes: request.Operation == environment.OperationDelete,
	}, nil
}
