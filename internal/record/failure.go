package record

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// Outcome is what the Fail state shows. Its field names are the Fail state's own.
type Outcome struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
	// Undo says that what was made is to be removed now, and that the failure is recorded anew after that.
	Undo bool `json:"undo"`
}

type connector interface {
	Connect(ctx context.Context, target account.Target) (aws.Config, error)
}

// Leftovers lists what there is of an environment outside of its stacks.
type Leftovers func(ctx context.Context, cfg aws.Config, n environment.Names) ([]string, error)

// restPatience is for how long stacks are given to come to rest, from the state's entry on: less than the
// state's attempts last, since a failure that is not recorded helps nobody.
const restPatience = 50 * time.Minute

// Failure is the RecordFailure stage.
type Failure struct {
	connector connector
	leftovers Leftovers
	history   *History
	locks     releaser
	bus       *Bus
}

// NewFailure returns the stage.
func NewFailure(c connector, l Leftovers, h *History, r releaser, b *Bus) *Failure {
	return &Failure{connector: c, leftovers: l, history: h, locks: r, bus: b}
}

// Run waits until no stack of the environment moves any more, records the failure, gives the lock
// back and tells of the end. A lock released over a moving stack lets the next execution run into it,
// so stacks are waited for. Not for ever: after [restPatience] those that still move are named. The lock
// of an execution that is over keeps nobody out, and the engine of the next one waits for every stack
// that it finds at work, whoever has begun that.
//
// Where what was made is to be removed again, the failure is recorded and the lock is kept; the machine
// goes on with the removal and comes back, whatever that comes to. The execution's error stays the first.
//
// For an execution that is over already nobody could wait: Lambda calls an asynchronous function
// three times only. The stacks that still move are named here, too.
func (f *Failure) Run(ctx context.Context, in FailureInput) (*Outcome, error) {
	s, causes := in.read()
	back := s.Execution.Failure != nil
	document := Document{LeftBehind: LeftNothing, Exists: []string{}}
	if back {
		document = undone(s, causes)
		document.LeftBehind, document.Exists = LeftNothing, []string{}
	} else {
		document.Cause, document.Others = causes[0], causes[1:]
	}
	// Without names no environment is meant: nothing was made, and nothing locked.
	var moving []string
	if s.Names.Environment != "" {
		var err error
		if moving, err = f.look(ctx, s, in, &document); err != nil {
			return nil, err
		}
	}
	if !back {
		document.Undo = undoOf(s, in.Detail != nil, document.LeftBehind)
	}
	if document.Undo != nil && document.Undo.Status == UndoBegun {
		outcome := &Outcome{Error: string(document.Code), Cause: document.text(), Undo: true}
		document.advise(s.Request)
		return outcome, f.history.Append(ctx, s, failed, document)
	}
	document.advise(s.Request)
	document.adviseRest(moving)
	if err := f.end(ctx, s, in.Detail, document); err != nil {
		return nil, err
	}
	return &Outcome{Error: string(document.Code), Cause: document.text()}, nil
}

// advise says what to do after a failure whose stage does not say it.
func (d *Document) advise(r environment.Request) {
	switch {
	case d.Next != "":
	case r.Plans():
		d.Next = "nothing was changed; correct the cause and start the same request again"
	case d.Undo != nil && d.Undo.Status == UndoBegun:
		d.Next = "wait for the end of this execution, which removes what it has made"
	case d.Undo != nil && d.Undo.Status == UndoFailed:
		d.Next = "the removal of what was made failed as well: do what its cause in undo says, start this request with the operation delete, then correct the first cause and start it again"
	case d.LeftBehind == LeftNothing:
		d.Next = "nothing is left behind; correct the cause and start the same request again"
	default:
		d.Next = "correct the cause and start the same request again: it goes on from where this one stopped"
	}
}

// adviseRest says first to wait for the stacks that RecordFailure has waited for in vain.
func (d *Document) adviseRest(moving []string) {
	if len(moving) == 0 {
		return
	}
	rest := "wait until CloudFormation has ended its work on " + strings.Join(moving, ", ")
	if d.Code == fault.InProgress {
		d.Next = rest + ", then start the same request again; started earlier, it waits for that in its turn"
		return
	}
	d.Next = rest + "; then: " + d.Next
}

// end writes the history, gives the lock back and tells of the end. A plan has changed nothing and
// holds no lock, so it is no part of the environment's history.
func (f *Failure) end(ctx context.Context, s environment.State, detail *statusChange, document Document) error {
	status, told := failed, false
	if detail != nil {
		// The execution may have told of its failure itself, and knew more about it; one that was
		// stopped or timed out has not.
		status, told = detail.Status, detail.Status == failed
	}
	if s.Names.Environment != "" && !s.Request.Plans() {
		switch {
		case detail == nil:
			if err := f.history.Append(ctx, s, failed, document); err != nil {
				return err
			}
		default:
			written, err := f.history.AppendNew(ctx, s, failed, document)
			if err != nil {
				return err
			}
			told = told && !written
		}
		if err := f.locks.Release(ctx, s.Request, s.Execution.ARN); err != nil {
			return err
		}
	}
	if told {
		return nil
	}
	return f.bus.tell(ctx, s, status, nil, &document)
}

// look notes what there is of the environment, and answers [fault.InProgress] while a stack moves, if
// it has to wait for that. It returns the stacks that it has waited for in vain. An account that can no
// longer be reached has nothing to say; the record is written all the same.
func (f *Failure) look(ctx context.Context, s environment.State, in FailureInput, document *Document) ([]string, error) {
	// An execution that was not given the lock moved nothing: what moves is the holder's, and
	// waiting for it would keep the answer back for as long.
	wait := s.Lock != nil && in.Detail == nil && !s.Request.Plans()
	var moving []string
	cfg, err := f.connector.Connect(ctx, account.TargetOf(s.Request))
	if err == nil {
		document.Exists, moving, err = stacks(ctx, cfg, s.Names)
	}
	if err == nil && wait && len(moving) > 0 && !in.late() {
		return nil, fault.New(fault.InProgress, "CloudFormation is still at work on %s", strings.Join(moving, ", "))
	}
	var beside []string
	if err == nil {
		beside, err = f.leftovers(ctx, cfg, s.Names)
	}
	document.Exists = append(document.Exists, beside...)
	switch {
	case err != nil && fault.CodeOf(err).Retried():
		return nil, err
	case err != nil:
		if len(document.Exists) == 0 {
			document.LeftBehind = LeftUnknown
		} else {
			document.LeftBehind = LeftSomething
		}
		document.Exists = append(document.Exists, "unknown: "+err.Error())
	case len(document.Exists) > 0:
		document.LeftBehind = LeftSomething
	}
	if !wait {
		moving = nil
	}
	return moving, nil
}

// stacks lists the environment's stacks with their status, and names those that move.
func stacks(ctx context.Context, cfg aws.Config, n environment.Names) (exists, moving []string, err error) {
	engine := stack.New(cloudformation.NewFromConfig(cfg), stack.Options{})
	exists = []string{}
	for _, name := range n.Stacks() {
		found, ok, err := engine.Describe(ctx, name)
		if err != nil {
			return exists, nil, err
		}
		if !ok {
			continue
		}
		line := fmt.Sprintf("%s %s", name, found.Status)
		if found.Moving() {
			line += ", still moving"
			// The deletion of the provider stack may itself be waiting for this execution.
			if name != n.ProviderStack || found.Status != types.StackStatusDeleteInProgress {
				moving = append(moving, "stack "+name)
			}
		}
		exists = append(exists, line)
	}
	return exists, moving, nil
}
