package lock_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const (
	mine    = "arn:aws:states:eu-west-1:111111111111:execution:m:mine"
	theirs  = "arn:aws:states:eu-west-1:111111111111:execution:m:theirs"
	another = "arn:aws:states:eu-west-1:111111111111:execution:m:another"
	row     = "222222222222/us-east-1/opa-dev lock"
)

func request() environment.Request {
	return environment.Request{AccountID: "222222222222", Region: "us-east-1", Prefix: "opa", Name: "dev"}
}

type item = map[string]types.AttributeValue

// table is a DynamoDB table that evaluates the conditions that the lock uses: attribute_not_exists(a),
// a = :v, and OR between them.
type table struct {
	t    *testing.T
	rows map[string]item
	// before runs ahead of each write: another execution comes in between.
	before func(rows map[string]item)
	err    error
}

func text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func (d *table) holds(condition string, names map[string]string, values, row item) bool {
	for part := range strings.SplitSeq(condition, " OR ") {
		if name, ok := strings.CutPrefix(part, "attribute_not_exists("); ok {
			if _, there := row[strings.TrimSuffix(name, ")")]; !there {
				return true
			}
			continue
		}
		left, right, ok := strings.Cut(part, " = ")
		name, value := names[left], values[right]
		if !ok || name == "" || value == nil {
			d.t.Fatalf("a condition that this table cannot evaluate: %q with %v and %v", part, names, values)
		}
		// A comparison with an attribute that is missing is false.
		if there, ok := row[name]; ok && text(there) == text(value) {
			return true
		}
	}
	return false
}

func (d *table) write() error {
	if d.before != nil {
		d.before(d.rows)
	}
	return d.err
}

func (d *table) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if err := d.write(); err != nil {
		return nil, err
	}
	key := text(in.Item["id"]) + " " + text(in.Item["sort"])
	if !d.holds(aws.ToString(in.ConditionExpression), in.ExpressionAttributeNames, in.ExpressionAttributeValues, d.rows[key]) {
		failed := &types.ConditionalCheckFailedException{}
		if in.ReturnValuesOnConditionCheckFailure == types.ReturnValuesOnConditionCheckFailureAllOld {
			failed.Item = maps.Clone(d.rows[key])
		}
		return nil, failed
	}
	d.rows[key] = in.Item
	return &dynamodb.PutItemOutput{}, nil
}

func (d *table) DeleteItem(_ context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	if err := d.write(); err != nil {
		return nil, err
	}
	key := text(in.Key["id"]) + " " + text(in.Key["sort"])
	if !d.holds(aws.ToString(in.ConditionExpression), in.ExpressionAttributeNames, in.ExpressionAttributeValues, d.rows[key]) {
		return nil, &types.ConditionalCheckFailedException{}
	}
	delete(d.rows, key)
	return &dynamodb.DeleteItemOutput{}, nil
}

func (d *table) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if !aws.ToBool(in.ConsistentRead) {
		d.t.Error("the lock is read as it may have been a second ago")
	}
	return &dynamodb.GetItemOutput{Item: d.rows[text(in.Key["id"])+" "+text(in.Key["sort"])]}, d.err
}

// executions maps an execution to its status; others do not exist.
type executions map[string]sfntypes.ExecutionStatus

func (e executions) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	status, ok := e[aws.ToString(in.ExecutionArn)]
	if !ok {
		return nil, &sfntypes.ExecutionDoesNotExist{}
	}
	if status == "denied" {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	}
	return &sfn.DescribeExecutionOutput{Status: status, Input: aws.String(`{"operation": "apply"}`)}, nil
}

// removal is an execution that removes the environment until a moment, and then has ended somehow.
type removal struct {
	until time.Time
	end   sfntypes.ExecutionStatus
}

func (r removal) DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	out := &sfn.DescribeExecutionOutput{Status: r.end, Input: aws.String(`{"operation": "delete", "prefix": "opa"}`)}
	if time.Now().Before(r.until) {
		out.Status = "RUNNING"
	}
	return out, nil
}

// Two removals want the same, so the second goes on where the first has ended. An apply does not wait.
func TestRemovalBehindRemoval(t *testing.T) {
	cases := map[string]struct {
		reason    string
		operation string
		lasts     time.Duration
		end       sfntypes.ExecutionStatus
		want      *environment.Lock
		code      fault.Code
	}{
		"Waits":  {reason: "for as long as it runs", operation: "delete", lasts: time.Hour, code: "InProgress"},
		"Then":   {reason: "it has given the lock back", operation: "delete", lasts: 10 * time.Second, end: "SUCCEEDED", want: &environment.Lock{}},
		"Broken": {reason: "it was stopped, and the removal goes on", operation: "delete", lasts: 10 * time.Second, end: "ABORTED", want: &environment.Lock{TakenFrom: theirs}},
		"Apply":  {reason: "what is being removed is not made at the same time", operation: "apply", lasts: 10 * time.Second, end: "SUCCEEDED", code: "Conflict"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := time.Now().Add(tc.lasts)
				// One that succeeds gives the lock back as its last act.
				db := &table{t: t, rows: held(theirs), before: func(rows map[string]item) {
					if tc.end == "SUCCEEDED" && !time.Now().Before(over) {
						clear(rows)
					}
				}}
				r := request()
				r.Operation = tc.operation
				in := stage.Input{State: environment.State{Request: r, Execution: environment.Execution{ARN: mine}, Names: environment.Names{Environment: "opa-dev"}}}
				got, err := lock.New(lock.NewTable(db, "locks"), removal{until: over, end: tc.end}).Run(t.Context(), in)
				if code := fault.CodeOf(err); code != tc.code || err != nil && !strings.Contains(err.Error(), theirs) {
					t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
				}
				if owner := text(db.rows[row]["owner"]); err == nil && owner != mine || err != nil && owner != theirs {
					t.Errorf("%s: held by %q", tc.reason, owner)
				}
				if tc.want != nil {
					tc.want.Change = "unchanged"
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
			})
		})
	}
}

// late is an execution that DescribeExecution begins to know at a moment: the API is eventually consistent, and "may
// not reflect very recent updates and changes"
// (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html).
type late struct{ seen time.Time }

func (l late) DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if time.Now().Before(l.seen) {
		return nil, &sfntypes.ExecutionDoesNotExist{}
	}
	return &sfn.DescribeExecutionOutput{Status: "RUNNING", Input: aws.String(`{"operation": "apply"}`)}, nil
}

// An execution that is not known is one that is forgotten, or one that has just begun.
func TestUnknownHolder(t *testing.T) {
	const never = 24 * time.Hour
	cases := map[string]struct {
		reason    string
		operation string
		// since is how long ago the lock was taken, and seen in how long its holder will be known.
		since, seen time.Duration
		want        *environment.Lock
		code        fault.Code
	}{
		"JustBegun": {reason: "it is at work, and a moment later that is known", operation: "apply", since: time.Second, seen: 5 * time.Second, code: "Conflict"},
		"Unseen":    {reason: "it may be at work: the state machine asks again", operation: "apply", since: time.Minute, seen: never, code: "InProgress"},
		"Removal":   {reason: "whatever it does", operation: "delete", since: time.Minute, seen: never, code: "InProgress"},
		"Forgotten": {reason: "an execution that is at work is known by then", operation: "apply", since: 5 * time.Minute, seen: never, want: &environment.Lock{TakenFrom: theirs}},
		"Meanwhile": {reason: "as above", operation: "apply", since: 5*time.Minute - 10*time.Second, seen: never, want: &environment.Lock{TakenFrom: theirs}},
		"Plan":      {reason: "a plan does not wait, and says who may be at work", operation: "plan", since: time.Minute, seen: never, want: &environment.Lock{HeldBy: theirs}},
		"PlanLater": {reason: "nobody is", operation: "plan", since: time.Hour, seen: never, want: &environment.Lock{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := &table{t: t, rows: held(theirs)}
				db.rows[row]["since"] = &types.AttributeValueMemberS{Value: time.Now().Add(-tc.since).UTC().Format(time.RFC3339)}
				r := request()
				r.Operation = tc.operation
				in := stage.Input{State: environment.State{Request: r, Execution: environment.Execution{ARN: mine}, Names: environment.Names{Environment: "opa-dev"}}}
				got, err := lock.New(lock.NewTable(db, "locks"), late{time.Now().Add(tc.seen)}).Run(t.Context(), in)
				if code := fault.CodeOf(err); code != tc.code || err != nil && fault.As(err).Holder != theirs {
					t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
				}
				want := theirs
				if tc.want != nil && tc.want.TakenFrom != "" {
					want = mine
				}
				if owner := text(db.rows[row]["owner"]); owner != want {
					t.Errorf("%s: held by %q, want %q", tc.reason, owner, want)
				}
				if tc.want != nil {
					tc.want.Change = "unchanged"
					if diff := cmp.Diff(tc.want, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
					}
				}
			})
		})
	}
}

func held(by string) map[string]item {
	return map[string]item{row: {
		"id": &types.AttributeValueMemberS{Value: "222222222222/us-east-1/opa-dev"}, "sort": &types.AttributeValueMemberS{Value: "lock"},
		"owner": &types.AttributeValueMemberS{Value: by},
	}}
}

func TestRun(t *testing.T) {
	throttled := &smithy.GenericAPIError{Code: "ThrottlingException", Message: "slow"}
	// race lets another execution take the lock just before the second write.
	race := func() func(map[string]item) {
		writes := 0
		return func(rows map[string]item) {
			if writes++; writes == 2 {
				maps.Copy(rows, held(another))
			}
		}
	}
	cases := map[string]struct {
		reason     string
		rows       map[string]item
		executions executions
		before     func(map[string]item)
		err        error
		want       *environment.Lock
		owner      string
		code       fault.Code
		message    string
	}{
		"Free":       {reason: "nobody holds it", rows: map[string]item{}, want: &environment.Lock{}, owner: mine},
		"Mine":       {reason: "the stage is called again after a crash", rows: held(mine), want: &environment.Lock{}, owner: mine},
		"Running":    {reason: "the holder works on it", rows: held(theirs), executions: executions{theirs: "RUNNING"}, owner: theirs, code: "Conflict", message: theirs},
		"Redriven":   {reason: "a holder that is about to run again is not over", rows: held(theirs), executions: executions{theirs: "PENDING_REDRIVE"}, owner: theirs, code: "Conflict", message: theirs},
		"Succeeded":  {reason: "an execution that is over holds nothing", rows: held(theirs), executions: executions{theirs: "SUCCEEDED"}, want: &environment.Lock{TakenFrom: theirs}, owner: mine},
		"Aborted":    {reason: "a stopped execution cannot give it back", rows: held(theirs), executions: executions{theirs: "ABORTED"}, want: &environment.Lock{TakenFrom: theirs}, owner: mine},
		"TimedOut":   {reason: "nor can one that timed out", rows: held(theirs), executions: executions{theirs: "TIMED_OUT"}, want: &environment.Lock{TakenFrom: theirs}, owner: mine},
		"Forgotten":  {reason: "history ends after 90 days", rows: held(theirs), executions: executions{}, want: &environment.Lock{TakenFrom: theirs}, owner: mine},
		"Race":       {reason: "two executions find the same dead holder; one gets the lock", rows: held(theirs), executions: executions{theirs: "ABORTED"}, before: race(), owner: another, code: "Conflict", message: another},
		"NotAllowed": {reason: "a holder that cannot be seen may run", rows: held(theirs), executions: executions{theirs: "denied"}, owner: theirs, code: "AccessDenied", message: theirs},
		"Throttled":  {reason: "the table's error keeps its class", rows: map[string]item{}, err: throttled, code: "Throttled", message: "table locks"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			db := &table{t: t, rows: tc.rows, before: tc.before, err: tc.err}
			in := stage.Input{State: environment.State{
				Request: request(), Execution: environment.Execution{ARN: mine}, Names: environment.Names{Environment: "opa-dev"},
			}}
			got, err := lock.New(lock.NewTable(db, "locks"), tc.executions).Run(t.Context(), in)
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if owner := text(db.rows[row]["owner"]); owner != tc.owner {
				t.Errorf("%s: held by %q, want %q", tc.reason, owner, tc.owner)
			}
			if err != nil {
				f := fault.As(err)
				if tc.code == "Conflict" && f.Holder != tc.message {
					t.Errorf("%s: the holder is %q, want %q", tc.reason, f.Holder, tc.message)
				}
				if !strings.Contains(f.Message, tc.message) || tc.code == "Conflict" && !strings.Contains(f.Next, "executions/details/"+tc.message) {
					t.Errorf("%s: the message does not name %s: %q %q", tc.reason, tc.message, f.Message, f.Next)
				}
				return
			}
			tc.want.Change = "unchanged"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A plan takes no lock (design, decision 12) and says who holds it.
func TestRunForPlan(t *testing.T) {
	cases := map[string]struct {
		reason     string
		rows       map[string]item
		executions executions
		err        error
		heldBy     string
		code       fault.Code
	}{
		"Free":      {reason: "nobody holds it", rows: map[string]item{}},
		"Running":   {reason: "the holder may be changing what is looked at", rows: held(theirs), executions: executions{theirs: "RUNNING"}, heldBy: theirs},
		"Over":      {reason: "a holder that is over changes nothing", rows: held(theirs), executions: executions{theirs: "ABORTED"}},
		"Throttled": {reason: "the table's error keeps its class", rows: map[string]item{}, err: &smithy.GenericAPIError{Code: "ThrottlingException"}, code: "Throttled"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			db := &table{t: t, rows: tc.rows, err: tc.err, before: func(map[string]item) { t.Errorf("%s: the table is written to", tc.reason) }}
			in := stage.Input{State: environment.State{Request: request(), Execution: environment.Execution{ARN: mine}}}
			in.State.Request.Operation = "plan"
			got, err := lock.New(lock.NewTable(db, "locks"), tc.executions).Run(t.Context(), in)
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if err == nil && got.HeldBy != tc.heldBy {
				t.Errorf("%s: held by %q, want %q", tc.reason, got.HeldBy, tc.heldBy)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	cases := map[string]struct {
		reason string
		rows   map[string]item
		err    error
		owner  string
		code   fault.Code
	}{
		"Mine":    {reason: "given back", rows: held(mine)},
		"Gone":    {reason: "releasing twice is safe", rows: map[string]item{}},
		"Theirs":  {reason: "another's lock stays", rows: held(theirs), owner: theirs},
		"NoTable": {reason: "a lock that could not be released is not passed over", rows: held(mine), owner: mine, err: &smithy.GenericAPIError{Code: "ResourceNotFoundException"}, code: "Failed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			db := &table{t: t, rows: tc.rows, err: tc.err}
			err := lock.NewTable(db, "locks").Release(t.Context(), request(), mine)
			if code := fault.CodeOf(err); code != tc.code {
				t.Errorf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if owner := text(db.rows[row]["owner"]); owner != tc.owner {
				t.Errorf("%s: held by %q, want %q", tc.reason, owner, tc.owner)
			}
		})
	}
}

// Names that are spelled alike share every stack, so they share the lock too.
func TestSameNamesShareALock(t *testing.T) {
	db := &table{t: t, rows: map[string]item{}}
	stages := lock.New(lock.NewTable(db, "locks"), executions{mine: "RUNNING"})
	run := func(prefix, name, execution string) error {
		r := request()
		r.Prefix, r.Name = prefix, name
		_, err := stages.Run(t.Context(), stage.Input{State: environment.State{Request: r, Execution: environment.Execution{ARN: execution}}})
		return err
	}
	if err := run("a-b", "c", mine); err != nil {
		t.Fatal(err)
	}
	if got := fault.CodeOf(run("a", "b-c", theirs)); got != "Conflict" {
		t.Errorf("a-b/c and a/b-c at once: got %q, want Conflict", got)
	}
	if err := run("a", "b-d", theirs); err != nil {
		t.Errorf("another environment: %v", err)
	}
}
