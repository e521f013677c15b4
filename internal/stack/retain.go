package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// retainUpdates is how often a run tells a stack what its deletion keeps.
const retainUpdates = 2

// The statuses of a stack of which something is to be kept, by what that takes.
var (
	// neverWhole are those of stacks that were never finished: nothing in them is worth keeping, and
	// most of it is gone.
	neverWhole = []types.StackStatus{
		types.StackStatusCreateFailed, types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusReviewInProgress,
	}
	// updatable are those of stacks that take another template.
	updatable = []types.StackStatus{
		types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
		types.StackStatusImportComplete, types.StackStatusImportRollbackComplete,
	}
)

// CheckRetain refuses a stack that can no longer be told to keep the resources with the logical ids. It
// changes nothing, so that it can be asked before anything is removed.
func (e *Engine) CheckRetain(ctx context.Context, name string, ids []string) error {
	live, found, err := e.Describe(ctx, name)
	if err != nil || !found || len(ids) == 0 {
		return err
	}
	_, _, err = e.retaining(ctx, name, live, ids)
	return err
}

// retaining returns the live stack's template with the resources kept on deletion, and whether it says
// so already. Ids that the template does not have are left out.
//
// CloudFormation's own RetainResources is of no use here: it is for stacks in DELETE_FAILED, and for
// resources that could not be deleted. So the template says it, by an update that touches no resource.
func (e *Engine) retaining(ctx context.Context, name string, live Description, ids []string) (template string, already bool, err error) {
	if len(ids) == 0 || slices.Contains(neverWhole, live.Status) || removalFor(live.Status) == none {
		return "", true, nil
	}
	out, err := e.api.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &live.StackID, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return "", false, classify(err, "cloudformation:GetTemplate", name)
	}
	template, already, err = withRetained(aws.ToString(out.TemplateBody), ids)
	if err != nil {
		return "", false, fault.Wrap(fault.Failed, err, "the template of stack %s cannot be told to keep %s", name, strings.Join(ids, ", ")).
			WithField("/retain").
			WithNext("start the same request with the operation apply, which gives the stack its own template again, then this one; or leave out retain, then nothing is kept")
	}
	if !already && !slices.Contains(updatable, live.Status) && removalFor(live.Status) != join {
		next := "start the same request with the operation apply, which repairs the stack, then this one; or leave out retain, then nothing is kept"
		if live.Status == types.StackStatusDeleteFailed { // an apply would remove the rest of it
			next = "a removal without retain has begun on it: save elsewhere what is needed of what is left, then start the same request without retain"
		}
		return "", false, fault.New(fault.Failed, "stack %s is %s, so it cannot be told to keep %s", name, live.Status, strings.Join(ids, ", ")).
			WithField("/retain").WithNext("%s", next)
	}
	return template, already, nil
}

// withRetained is the template with the resources' DeletionPolicy Retain. CloudFormation does not recognize a
// change of that alone as an update; with one of Metadata it does
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html, "No updates to perform").
func withRetained(template string, ids []string) (changed string, already bool, err error) {
	var document map[string]any
	decoder := json.NewDecoder(strings.NewReader(template))
	decoder.UseNumber() // numbers stay as they are written
	if err := decoder.Decode(&document); err != nil {
		return "", false, err
	}
	resources, _ := document["Resources"].(map[string]any)
	already = true
	for _, id := range ids {
		resource, there := resources[id].(map[string]any)
		// RetainExceptOnCreate differs in what a creation that fails leaves, and not here.
		if policy := resource["DeletionPolicy"]; there && policy != "Retain" && policy != "RetainExceptOnCreate" {
			resource["DeletionPolicy"], already = "Retain", false
			metadata, _ := resource["Metadata"].(map[string]any)
			if metadata == nil {
				metadata = map[string]any{}
			}
			metadata["Retained"] = "by a removal"
			resource["Metadata"] = metadata
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // which would be another text, and longer
	err = encoder.Encode(document)
	return strings.TrimSpace(text.String()), already, err
}

// retained reports whether the stack keeps what it has to, and otherwise tells it to.
func (d *deletion) retained(ctx context.Context, live Description) (bool, error) {
	template, already, err := d.retaining(ctx, d.spec.Name, live, d.retain)
	if err != nil || already {
		return already, err
	}
	past, err := d.history(ctx, live)
	if err != nil {
		return false, err
	}
	if past.attempts(kindRetain).count >= retainUpdates {
		return false, d.failure(live, past.cause(kindRetain))
	}
	token := d.spec.token(kindRetain, live.version())
	_, err = d.api.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: &live.StackID, TemplateBody: &template, Parameters: previous(live), RoleARN: optional(d.spec.RoleARN),
		Capabilities: d.spec.capabilities(), ClientRequestToken: &token,
	})
	switch {
	case err == nil, isStarted(err), isMoving(err):
		return false, nil
	case isNoUpdate(err):
		return d.toldBefore(ctx, live)
	}
	return false, classify(err, "cloudformation:UpdateStack", d.spec.Name)
}

// toldBefore reports whether an update that changes nothing was made before, its answer being lost.
func (d *deletion) toldBefore(ctx context.Context, live Description) (bool, error) {
	_, already, err := d.retaining(ctx, d.spec.Name, live, d.retain)
	if err != nil || already {
		return already, err
	}
	return false, fault.New(fault.Failed, "CloudFormation sees no update in telling stack %s to keep %s", d.spec.Name, strings.Join(d.retain, ", ")).
		WithField("/retain").
		WithNext("give these resources the DeletionPolicy Retain and any new Metadata in the stack's template, then start the same request again; or leave out retain, then nothing is kept")
}

// previous are the live stack's parameters, each with the value that it has.
func previous(live Description) []types.Parameter {
	var list []types.Parameter
	for _, name := range slices.Sorted(maps.Keys(live.Parameters)) {
		list = append(list, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
	}
	return list
}
