package target

import (
	"cmp"
	"context"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// CheckFixed refuses a request that does not fit the environment as it exists: one whose stacks are
// another environment's, or that would make anew what the cluster stands on. It has to be asked
// before any stage changes something, because stages run side by side.
func (t *Target) CheckFixed(ctx context.Context) error {
	return checkFixed(ctx, t.Stacks, t.input.State)
}

func checkFixed(ctx context.Context, engine describer, s environment.State) error {
	for _, name := range s.Names.Stacks() {
		live, found, err := engine.Describe(ctx, name)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := checkOwner(name, live, s.Request); err != nil {
			return err
		}
		for _, f := range fixedIn(s) {
			if have := live.Parameters[f.parameter]; f.stack == name && live.Kept() && have != "" && have != f.asked {
				have = cmp.Or(f.means, have)
				return fault.New(fault.InvalidRequest, "the environment was made with %s %q, which cannot become %q: %s", f.field, have, f.asked, f.because).
					WithField("/"+f.field).WithNext("ask for %q, or make a new environment under another name", have)
			}
		}
	}
	return nil
}

// checkOwner refuses a stack that belongs to another environment: prefix "a-b" with name "c" has the
// names of prefix "a" with name "b-c".
func checkOwner(name string, live stack.Description, r environment.Request) error {
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

func fixedIn(s environment.State) []fixed {
	const stands = "the cluster stands in that VPC"
	network := func(parameter, field, asked, means string) fixed {
		return fixed{s.Names.NetworkStack, parameter, field, asked, stands, means}
	}
	vpc := []fixed{
		network("VpcId", "vpcConfiguration", environment.VPCCreateNew, environment.VPCUseExisting),
		network("VpcCidr", "cidr", s.Request.CIDR, ""),
	}
	if s.Request.ExistingVPC() {
		vpc = []fixed{
			network("VpcCidr", "vpcConfiguration", environment.VPCUseExisting, environment.VPCCreateNew),
			network("VpcId", "vpcId", s.Request.VPCID, ""),
		}
	}
	return append(vpc, fixed{
		s.Names.IdentityStack, "NodeType", "nodeType", s.Request.NodeType, "the role that pods or nodes run with would be removed under them", "",
	})
}
