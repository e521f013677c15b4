package target

import (
	"cmp"
	"context"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// CheckFixed refuses a request that does not fit the environment as it exists: one whose stacks are
// another environment's, or that would make anew what the cluster stands on. It has to be asked
// before any stage changes something, because stages run side by side.
func (t *Target) CheckFixed(ctx context.Context) error {
	live := map[string]stack.Description{}
	for _, name := range t.input.State.Names.Stacks() {
		found, ok, err := t.Stacks.Describe(ctx, name)
		if err != nil {
			return err
		}
		if ok {
			live[name] = found
		}
	}
	for _, misfit := range Misfits(live, t.input.State.Request) {
		return misfit
	}
	return nil
}

// CheckOwner refuses a request for stacks that are another environment's.
func (t *Target) CheckOwner(ctx context.Context) error {
	for _, name := range t.input.State.Names.Stacks() {
		live, ok, err := t.Stacks.Describe(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if misfit := checkOwner(name, live, t.input.State.Request); misfit != nil {
			return misfit
		}
	}
	return nil
}

// Misfits returns why the request does not fit the environment whose stacks are live: that they are
// another environment's, or each field that cannot change any more.
func Misfits(live map[string]stack.Description, r environment.Request) []*fault.Error {
	names := environment.NamesOf(r)
	var all []*fault.Error
	for _, name := range names.Stacks() {
		found, ok := live[name]
		if !ok {
			continue
		}
		if misfit := checkOwner(name, found, r); misfit != nil {
			return []*fault.Error{misfit}
		}
		for _, f := range fixedIn(names, r) {
			if have := found.Parameters[f.parameter]; f.stack == name && found.Kept() && have != "" && have != f.asked {
				have = cmp.Or(f.means, have)
				all = append(all, fault.New(fault.InvalidRequest, "the environment was made with %s %q, which cannot become %q: %s", f.field, have, f.asked, f.because).
					WithField("/"+f.field).WithNext("ask for %q, or make a new environment under another name", have))
			}
		}
	}
	return all
}

// checkOwner returns what is wrong with a stack that belongs to another environment, and nil for any other:
// prefix "a-b" with name "c" has the names of prefix "a" with name "b-c".
func checkOwner(name string, live stack.Description, r environment.Request) *fault.Error {
	prefix, ok := live.Parameters["Prefix"]
	if !ok || prefix == r.Prefix && live.Parameters["Name"] == r.Name {
		return nil
	}
	return fault.New(fault.Conflict, "stack %s belongs to the environment with prefix %q and name %q, whose names are the same as this one's", name, prefix, live.Parameters["Name"]).
		WithField("/name").WithNext("choose another prefix or name")
}

// fixed is a field of the request that no update can change. The parameter of the stack says what the
// field was; where it says so only by being there, means is what it was.
type fixed struct{ stack, parameter, field, asked, because, means string }

func fixedIn(names environment.Names, r environment.Request) []fixed {
	const stands = "the cluster stands in that VPC"
	network := func(parameter, field, asked, means string) fixed {
		return fixed{names.NetworkStack, parameter, field, asked, stands, means}
	}
	vpc := []fixed{
		network("VpcId", "vpcConfiguration", environment.VPCCreateNew, environment.VPCUseExisting),
		network("VpcCidr", "cidr", r.CIDR, ""),
	}
	if r.ExistingVPC() {
		vpc = []fixed{
			network("VpcCidr", "vpcConfiguration", environment.VPCUseExisting, environment.VPCCreateNew),
			network("VpcId", "vpcId", r.VPCID, ""),
		}
	}
	return append(vpc, fixed{
		names.IdentityStack, "NodeType", "nodeType", r.NodeType, "the role that pods or nodes run with would be removed under them", "",
	})
}
