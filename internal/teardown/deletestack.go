package teardown

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// StackInput is the input of a state that deletes a stack: the state says which.
type StackInput struct {
	stage.Input
	// Stage is the state's own name.
	Stage string `json:"stage"`
}

// StageName is the name that causes and logs show.
func (in StackInput) StageName() string { return in.Stage }

// DeleteStack is the stage behind the states that delete one stack each.
type DeleteStack struct{ connector target.Connector }

// NewDeleteStack returns the stage.
func NewDeleteStack(c target.Connector) *DeleteStack { return &DeleteStack{connector: c} }

// stackOf names the stack that a state deletes.
func stackOf(state string, n environment.Names) (string, error) {
	name, ok := map[string]string{
		"DeleteKubectl":    n.KubectlStack,
		"DeleteCapacity":   n.CapacityStack,
		"DeleteAddonRoles": n.AddonRolesStack,
		"DeleteCluster":    n.ClusterStack,
		"DeleteEgress":     n.EgressStack,
		"DeleteNetwork":    n.NetworkStack,
		"DeleteIdentity":   n.IdentityStack,
		"DeleteProvider":   n.ProviderStack,
	}[state]
	if !ok {
		return "", fault.New(fault.Internal, "no stack is known to state %q", state)
	}
	return name, nil
}

// Run deletes the state's stack. One that is not there is as good as deleted.
func (d *DeleteStack) Run(ctx context.Context, in StackInput) (*environment.Removal, error) {
	name, err := stackOf(in.Stage, in.State.Names)
	if err != nil {
		return nil, err
	}
	t, err := target.Connect(ctx, d.connector, in.Input)
	if err != nil {
		return nil, err
	}
	removal := stack.Removal{
		Name: name, ID: in.State.Survey.StackID(name),
		Retain:    retained(in.State.Request, in.State.Names, name),
		Execution: in.State.Execution.ARN, Since: in.Entered,
		// Who deletes the provider stack, as Harmonix does, waits for this execution: its deletion ends
		// when this one has.
		Yields: name == in.State.Names.ProviderStack,
	}
	if in.State.Bootstrap != nil {
		removal.RoleARN = in.State.Bootstrap.ServiceRoleARN
	}
	section := empty()
	if name == in.State.Names.IdentityStack {
		section.Change, err = deleteIdentity(ctx, t, kms.NewFromConfig(t.Config), in.State, removal)
	} else {
		section.Change, err = t.Stacks.Delete(ctx, removal)
	}
	if err != nil {
		return nil, err
	}
	if section.Change == environment.Deleted {
		section.Removed = []string{fmt.Sprintf("stack %s", name)}
	}
	return section, nil
}

// deleteIdentity deletes the stack of identities, and with it the key that the stack keeps.
func deleteIdentity(ctx context.Context, t *target.Target, keys keyAPI, s environment.State, removal stack.Removal) (environment.Change, error) {
	if err := decide(ctx, keys, s); err != nil {
		return "", err
	}
	change, err := t.Stacks.Delete(ctx, removal)
	return change, cmp.Or(err, retireSecrets(ctx, t.Stacks, keys, s, err == nil))
}

// retireSecrets schedules the deletion of the key that the stack of identities keeps, as soon as that
// stack is gone or on its way: from then on no stack tells of the key, so that a removal which is broken
// off here and started again would not find it. Before that, the environment could be made whole again.
func retireSecrets(ctx context.Context, stacks describer, api keyAPI, s environment.State, gone bool) error {
	_, rest := keptKeys(s.Request, s.Survey)
	if !slices.Contains(rest, s.Survey.SecretsKeyARN) {
		return nil
	}
	if !gone {
		live, found, err := stacks.Describe(ctx, cmp.Or(s.Survey.StackID(s.Names.IdentityStack), s.Names.IdentityStack))
		if err != nil {
			return err
		}
		if found && !live.Leaving() && live.Status != types.StackStatusDeleteComplete && live.Status != types.StackStatusDeleteFailed {
			return nil
		}
	}
	_, _, err := retire(ctx, api, []string{s.Survey.SecretsKeyARN})
	return err
}
