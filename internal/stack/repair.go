package stack

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// replace deletes a stack that is good for nothing else; the next look finds none and creates it.
func (c *convergence) replace(ctx context.Context, live Description) error {
	past, err := c.history(ctx, live)
	if err != nil {
		return err
	}
	switch {
	case past.started(kindDelete) && live.Status == types.StackStatusDeleteFailed:
		return c.failure(live, past.cause(kindDelete))
	case past.started(kindDelete):
		return nil
	case past.started(kindCreate):
		cause := past.cause(kindCreate)
		if !cause.freshRole() || c.options.Now().Sub(c.spec.Since) > freshFor {
			return c.failure(live, cause)
		}
	}
	// By id: by name, a delete that arrives late could hit the stack's successor.
	token := c.spec.token(kindDelete, live.StackID)
	_, err = c.api.DeleteStack(ctx, &cloudformation.DeleteStackInput{
		StackName: &live.StackID, ClientRequestToken: &token, RoleARN: optional(c.spec.RoleARN),
	})
	if err == nil || isStarted(err) || isAbsent(err) || isMoving(err) {
		return nil
	}
	return classify(err, "cloudformation:DeleteStack", c.spec.Name)
}

// repair takes a stack out of a failed update by call, unless the failure is this run's own.
func (c *convergence) repair(ctx context.Context, live Description, k kind, call func(token string) error) error {
	past, err := c.history(ctx, live)
	if err != nil {
		return err
	}
	if past.started(k) {
		return c.failure(live, past.cause(k))
	}
	// Of the run's updates only the last can have failed.
	for i := len(c.spec.kinds()) - 1; i >= 0; i-- {
		if past.started(stepKind(i)) {
			return c.failure(live, past.cause(stepKind(i)))
		}
	}
	err = call(c.spec.token(k, live.version()))
	if err == nil || isStarted(err) || isMoving(err) {
		return nil
	}
	return classify(err, k.action(), c.spec.Name)
}

// retry makes an update again that failed and stayed, unless the failure is this run's own.
func (c *convergence) retry(ctx context.Context, live Description) error {
	past, err := c.history(ctx, live)
	if err != nil {
		return err
	}
	for i := len(c.spec.kinds()) - 1; i >= 0; i-- {
		if past.started(stepKind(i)) {
			return c.failure(live, past.cause(stepKind(i)))
		}
	}
	s, err := c.again(ctx, live)
	if err != nil {
		return err
	}
	// CloudFormation takes an update of a stack in UPDATE_FAILED with its rollback disabled only.
	_, err = c.api.UpdateStack(ctx, s.updateInput(c.spec.token(s.kind, live.version())))
	switch {
	case err == nil:
		c.change = environment.Updated
		return nil
	case isStarted(err), isMoving(err):
		return nil
	}
	return classify(err, "cloudformation:UpdateStack", c.spec.Name)
}
