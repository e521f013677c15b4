// Package fault owns the error codes: the interface between the Go stages and the state machine.
//
// Every stage error reaches Step Functions as one of these codes, because a Retry or Catch can
// only match the error's name. The package must not know AWS, Kubernetes or a stage: the packages
// that talk to those classify their errors into a [Code] where they understand them.
package fault

import (
	"errors"
	"fmt"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// Code names a class of failure. The set is closed: the state machine's Retry and Catch lists are
// held against [Codes] by a contract test.
type Code string

const (
	// InvalidRequest means the request itself is wrong; nothing was created.
	InvalidRequest Code = "InvalidRequest"
	// PreflightFailed means the request is well formed but the account cannot serve it.
	PreflightFailed Code = "PreflightFailed"
	// Conflict means another execution, or a resource that is not ours, stands in the way.
	Conflict Code = "Conflict"
	// AccessDenied means AWS or Kubernetes refused a call for lack of permission.
	AccessDenied Code = "AccessDenied"
	// QuotaExceeded means a service quota is full.
	QuotaExceeded Code = "QuotaExceeded"
	// InProgress means the work goes on elsewhere and the same call has to be made again. Retried.
	InProgress Code = "InProgress"
	// Throttled means AWS asked for fewer calls. Retried.
	Throttled Code = "Throttled"
	// Transient means a fault that time cures: a network error, a role not propagated yet. Retried.
	Transient Code = "Transient"
	// Failed means the work was tried and ended in a failure that a retry of the call cannot cure.
	Failed Code = "Failed"
	// Internal means a defect of the provider itself.
	Internal Code = "Internal"
)

// Codes lists every code, in the order of the design.
func Codes() []Code {
	return []Code{
		InvalidRequest, PreflightFailed, Conflict, AccessDenied, QuotaExceeded,
		InProgress, Throttled, Transient, Failed, Internal,
	}
}

// Retried reports whether the state machine calls the stage again after this code.
func (c Code) Retried() bool {
	return c == InProgress || c == Throttled || c == Transient
}

// Error is a classified error. It is written for the person who sees the execution's error pane
// and has no access to logs.
type Error struct {
	// Code is the class the state machine branches on.
	Code Code
	// Message is one sentence: what failed, for which input, and why.
	Message string
	// Field is the JSON pointer of the request field at fault, empty when there is none.
	Field string
	// Next is one sentence on what to do, empty when the code alone says it.
	Next string
	// Holder is the ARN of the execution that has the environment, if that is what stands in the way.
	Holder string
	// Findings are what the message says, for programs; only checks that find several things have them.
	Findings []finding.Finding
	// Err is the cause, kept for the log.
	Err error
}

// New returns a classified error whose message is made from format.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap classifies err. The message is made from format, a colon and err's own text.
func Wrap(code Code, err error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...) + ": " + err.Error(), Err: err}
}

// WithField names the request field at fault by its JSON pointer and returns e.
func (e *Error) WithField(pointer string) *Error {
	e.Field = pointer
	return e
}

// WithNext says what to do and returns e.
func (e *Error) WithNext(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// WithHolder names the execution that has the environment and returns e.
func (e *Error) WithHolder(execution string) *Error {
	e.Holder = execution
	return e
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an [*Error] with the same code and no message, so that
// errors.Is(err, &fault.Error{Code: fault.Conflict}) asks for a class.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// As returns the classified error within err. An err that carries none is a defect or an
// unforeseen answer and comes back as [Internal].
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: err.Error(), Err: err}
}

// CodeOf returns the code of err, or the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return As(err).Code
}
