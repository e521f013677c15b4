package customresource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// reserve is kept of an invocation's time. The handler's context ends then, so that the handler
	// can say by itself what it could not finish.
	reserve = 20 * time.Second
	// grace is what a handler has to return after its context has ended. It is answered for then.
	grace = 5 * time.Second
)

// ErrDeferred is returned by a [Handler] that has handed the request on to another invocation, which
// answers it. Nothing is answered now.
var ErrDeferred = errors.New("another invocation answers")

// Handler carries out a request. An error is answered as FAILED, in the words of [Reason].
type Handler func(ctx context.Context, event Event) (Answer, error)

// Options are what a [Responder] is made of.
type Options struct {
	// HTTP sends the answers; a usual client when nil.
	HTTP *http.Client
	Log  *slog.Logger
	// TooLarge is what to do about attributes that are too large for CloudFormation.
	TooLarge string
	// Pause is the first one between two attempts to answer; half a second when zero.
	Pause time.Duration
}

// Responder answers requests.
type Responder struct{ options Options }

// New returns a responder.
func New(options Options) *Responder {
	if options.HTTP == nil {
		options.HTTP = newHTTP()
	}
	if options.Pause == 0 {
		options.Pause = firstPause
	}
	if options.TooLarge == "" {
		options.TooLarge = "Ask for less."
	}
	return &Responder{options}
}

// Serve has a request carried out and answers it: with what handle returned, with its panic, or, some
// seconds before the context's deadline, with the fact that it is not done. A Delete of a resource
// whose creation failed is answered without asking handle.
//
// The error is nil when CloudFormation was answered, or cannot be any more, so that Lambda does not
// repeat what was answered as FAILED. Otherwise nothing is known to have arrived, and the request may
// be repeated.
func (r *Responder) Serve(ctx context.Context, event Event, handle Handler) error {
	answer, err := r.outcome(ctx, event, handle)
	if errors.Is(err, ErrDeferred) {
		return nil
	}
	text, err := r.encode(event, answer, err)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the answer to %s", event)
	}
	return r.put(ctx, event, text)
}

// outcome runs handle within the guard.
func (r *Responder) outcome(ctx context.Context, event Event, handle Handler) (Answer, error) {
	if event.RequestType == Delete && event.PhysicalResourceID == CreateFailed {
		return Answer{}, nil
	}
	type outcome struct {
		answer Answer
		err    error
	}
	// Buffered: after the guard has answered, nobody listens.
	done := make(chan outcome, 1)
	if timeout := event.timeout(); timeout > 0 {
		// What is answered later reaches nobody. The answer itself still has the function's time.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	guarded, patience, cancel := guard(ctx)
	defer cancel()
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				// The panic's value may quote what was asked for.
				r.options.Log.ErrorContext(ctx, "handler panicked", "request", event, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				o.err = fault.New(fault.Internal, "the handler of %s broke", event).WithNext("The function's log has the place.")
			}
			done <- o
		}()
		o.answer, o.err = handle(guarded, event)
	}()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-guarded.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-timer.C:
		return Answer{}, fault.New(fault.Failed, "%s was not done before the function's time was over", event).
			WithNext("What was begun may still have had its effect: try again.")
	}
}

// guard returns the handler's context and how long after its end the handler is waited for. A short
// invocation keeps a smaller part.
func guard(ctx context.Context) (context.Context, time.Duration, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		guarded, cancel := context.WithCancel(ctx)
		return guarded, grace, cancel
	}
	kept := min(reserve, time.Until(deadline)/2)
	guarded, cancel := context.WithDeadline(ctx, deadline.Add(-kept))
	return guarded, kept * grace / reserve, cancel
}
