package network

import (
	"context"
	"maps"
	"strings"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
	"github.com/harmonix-eks/environment-provider/internal/vpc"
)

// surroundings is what the stage needs of EC2 in an existing VPC.
type surroundings interface {
	vpc.API
	vpc.TagAPI
}

// runExisting converges the network stack in a VPC that is there already. Nothing of the VPC is changed,
// except for load balancer tags where the request asks for them.
func runExisting(ctx context.Context, t *target.Target, api surroundings, in stage.Input) (*environment.Network, error) {
	r, name := in.State.Request, in.State.Names.NetworkStack
	earlier, tagged, err := written(ctx, t.Stacks, name)
	if err != nil {
		return nil, err
	}
	v, found, err := vpc.Read(ctx, api, r.VPCID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, vpc.Missing(r.VPCID, r.AccountID, r.Region)
	}
	choice, report := vpc.Choose(v, r, earlier)
	if err := refused(report); err != nil {
		return nil, err
	}
	missing, kept := tags(choice, r.TagSubnets, tagged)
	going, kept, err := leaving(ctx, api, in.State, tagged, kept)
	if err != nil {
		return nil, err
	}
	if r.Plans() {
		api = looking{api}
	}
	// First the tags that go, last those that come: what is written down is never less than what is there.
	if err := vpc.Untag(ctx, api, going); err != nil {
		return nil, err
	}
	out, err := t.Converge(ctx, name, templates.NetworkExisting, ExistingParameters(r, choice, kept))
	if err != nil {
		return nil, err
	}
	if err := vpc.Tag(ctx, api, missing); err != nil {
		return nil, err
	}
	if len(missing) > 0 && out.Change == environment.Unchanged {
		out.Change = environment.Updated
	}
	if r.Plans() {
		out.Plan = out.Plan.With(retagged(missing, going)...)
	}
	section := &environment.Network{
		Progress:                    out.Progress(),
		VPCID:                       out.Outputs["VpcId"],
		PublicSubnetIDs:             choice.PublicIDs(),
		PrivateSubnetIDs:            choice.PrivateIDs(),
		EndpointSubnetIDs:           choice.EndpointSubnetIDs(),
		Isolated:                    choice.Isolated(),
		ControlPlaneSecurityGroupID: out.Outputs["ControlPlaneSecurityGroupId"],
		KubectlSecurityGroupID:      out.Outputs["KubectlSecurityGroupId"],
	}
	for _, b := range v.Blocks {
		section.Blocks = append(section.Blocks, b.String())
	}
	return section, nil
}

// ExistingParameters are the parameters of the template for an existing VPC.
func ExistingParameters(r environment.Request, c vpc.Choice, tagged map[string]string) map[string]string {
	return map[string]string{
		"Prefix":           r.Prefix,
		"Name":             r.Name,
		"VpcId":            r.VPCID,
		"PublicSubnetIds":  strings.Join(c.PublicIDs(), ","),
		"PrivateSubnetIds": strings.Join(c.PrivateIDs(), ","),
		"TaggedSubnets":    vpc.WriteTagged(tagged),
	}
}

// written returns what an earlier execution wrote down: the subnets it chose, and those it gave a tag.
func written(ctx context.Context, engine describer, name string) (subnets []string, tagged map[string]string, err error) {
	live, found, err := engine.Describe(ctx, name)
	if err != nil || !found {
		return nil, nil, err
	}
	tagged = vpc.ReadTagged(live.Parameters["TaggedSubnets"])
	if !live.Kept() {
		return nil, tagged, nil
	}
	return vpc.Earlier(live.Parameters), tagged, nil
}

// tags returns which subnets of the choice lack their tag, and which are to be written down as tagged:
// those, and the ones tagged earlier that are still chosen.
func tags(c vpc.Choice, asked bool, tagged map[string]string) (missing, kept map[string]string) {
	if !asked {
		return nil, nil
	}
	missing = vpc.Untagged(c)
	kept = maps.Clone(missing)
	for _, id := range append(c.PublicIDs(), c.PrivateIDs()...) {
		if key, ok := tagged[id]; ok {
			kept[id] = key
		}
	}
	return missing, kept
}

// leaving parts the tags that an earlier execution gave, and this one would not, into those that go and those
// that are kept all the same, still written down, because another environment is in the VPC.
func leaving(ctx context.Context, api vpc.GroupAPI, s environment.State, tagged, kept map[string]string) (going, all map[string]string, err error) {
	going = without(tagged, kept)
	if len(going) == 0 {
		return nil, kept, nil
	}
	others, err := vpc.Neighbours(ctx, api, s.Request.VPCID, s.Names.Environment)
	if err != nil || len(others) == 0 {
		return going, kept, err
	}
	all = maps.Clone(going)
	maps.Copy(all, kept)
	return nil, all, nil
}

// without returns what all has and some has not.
func without(all, some map[string]string) map[string]string {
	rest := maps.Clone(all)
	maps.DeleteFunc(rest, func(id, key string) bool { return some[id] == key })
	return rest
}

// refused is the error of a report that stops the execution. Preflight has said the same, unless the VPC
// changed since.
func refused(report []finding.Finding) error {
	errors, _ := finding.Split(report)
	if len(errors) == 0 {
		return nil
	}
	return fault.New(fault.PreflightFailed, "%s", finding.Text("the VPC cannot be used:", errors)).
		WithField(errors[0].Field).WithNext("%s", errors[0].Next)
}
