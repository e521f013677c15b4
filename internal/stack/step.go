package stack

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Kind is a kind of update that a service combines with no other: EKS takes one kind of change to a
// cluster or a node group per call (aws-traps.md, rows 1.5 and 1.24).
type Kind struct {
	// Parameters are those whose change is of this kind.
	Parameters []string
	// Paths are the parts of the template whose change is of this kind, such as
	// "Resources/NodeGroup/Properties/Labels": what no parameter can carry.
	Paths []string
	// Rest adds everything that no other kind names: the template, the tags, which reach every
	// resource, and the other parameters. A spec with kinds has one that does.
	Rest bool
	// Replaces says that a change of this kind makes the resource anew, with everything at once.
	Replaces bool
	// Stays says that a failed update of this kind is left as it is, and made again by the next run: the
	// way back would be a change of its own, one that is refused or that takes a cluster to a lower
	// version (aws-traps.md, rows 1.9 and 1.28).
	Stays bool
}

// names reports whether a change of the parameter is of this kind.
func (k Kind) names(parameter string) bool { return slices.Contains(k.Parameters, parameter) }

// kinds are the spec's, or the one kind that everything is.
func (s Spec) kinds() []Kind {
	if len(s.Kinds) == 0 {
		return []Kind{{Rest: true}}
	}
	return s.Kinds
}

// step is one update on the way of a stack to its spec.
type step struct {
	spec Spec
	// kind is of its own for every step, so that a run starts each of them once.
	kind kind
	// stays is the kind's.
	stays bool
}

// stepKind is the kind of the i-th step's operation.
func stepKind(i int) kind {
	if i == 0 {
		return kindUpdate
	}
	return kindUpdate + kind(strconv.Itoa(i))
}

// pending lists the updates that lead from the live stack to its spec, in the order of the spec's
// kinds, by reading only: asking UpdateStack and being told "No updates are to be performed" would
// be a mutating call in every re-apply. Each is made from what is live, so only the first is of use
// before the next look.
func (c *convergence) pending(ctx context.Context, live Description) ([]step, error) {
	d, err := c.compare(ctx, live)
	if err != nil {
		return nil, err
	}
	return d.steps(), nil
}

// compare finds out what differs. The template, the one comparison that costs a call, is left out
// where the answer is known.
func (c *convergence) compare(ctx context.Context, live Description) (difference, error) {
	d := difference{spec: c.spec, live: live, want: withDefaults(c.spec.Parameters, c.spec.Template)}
	kinds := c.spec.kinds()
	rest := d.rest()
	if len(c.spec.Follows) > 0 || len(d.paths(nil)) > 0 || !d.differs(kinds[rest]) || slices.ContainsFunc(kinds[:rest], d.differs) {
		return d, c.readTemplate(ctx, live, &d)
	}
	return d, nil
}

// readTemplate completes d with the template.
func (c *convergence) readTemplate(ctx context.Context, live Description, d *difference) error {
	if d.template != "" {
		return nil
	}
	// Original: the processed template has its transforms applied.
	out, err := c.api.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &live.StackID, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return classify(err, "cloudformation:GetTemplate", c.spec.Name)
	}
	d.template = aws.ToString(out.TemplateBody)
	d.templateDiffers = !sameJSON(d.template, taking(c.spec.Template, d.paths(nil), d.template))
	return nil
}

// again is the update that is made again on a stack whose last update failed and stayed: that of the
// first kind that stays, alone. Its parameters may be the live ones, which are those that were tried.
func (c *convergence) again(ctx context.Context, live Description) (step, error) {
	d := difference{spec: c.spec, live: live, want: withDefaults(c.spec.Parameters, c.spec.Template)}
	if err := c.readTemplate(ctx, live, &d); err != nil {
		return step{}, err
	}
	kinds := c.spec.kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Stays })
	return step{d.only(kinds[i], true), stepKind(i), true}, nil
}

// difference is what keeps a live stack from being its spec.
type difference struct {
	spec Spec
	live Description
	// want are the spec's parameters with the template's defaults.
	want map[string]string
	// template is the live one, if it was read.
	template        string
	templateDiffers bool
}

// rest is the index of the kind that is the rest.
func (d difference) rest() int {
	return slices.IndexFunc(d.spec.kinds(), func(k Kind) bool { return k.Rest })
}

// steps are the updates that make up for the difference.
func (d difference) steps() []step {
	kinds, rest := d.spec.kinds(), d.rest()
	if !slices.ContainsFunc(kinds, d.following().differs) {
		return nil
	}
	var steps []step
	for i, k := range kinds {
		switch {
		case !d.differs(k):
		case k.Replaces:
			return []step{{d.spec, stepKind(i), k.Stays}}
		default:
			steps = append(steps, step{d.only(k, d.differs(kinds[rest]) && i < rest), stepKind(i), k.Stays})
		}
	}
	return steps
}

// following is d without the difference in what the spec follows.
func (d difference) following() difference {
	d.want = maps.Clone(d.want)
	for _, name := range d.spec.Follows {
		if live, known := d.live.Parameters[name]; known {
			d.want[name] = live
		}
	}
	return d
}

// differs reports whether anything of kind k does.
func (d difference) differs(k Kind) bool {
	for name := range d.want {
		if d.of(k, name) && !d.same(name) {
			return true
		}
	}
	if d.template != "" && taking(d.template, k.Paths, d.spec.Template) != d.template {
		return true
	}
	if !k.Rest {
		return false
	}
	for name := range d.live.Parameters {
		if _, wanted := d.want[name]; !wanted {
			return true
		}
	}
	return d.templateDiffers || !maps.Equal(d.live.Tags, d.spec.Tags) || !sameRole(d.live.RoleARN, d.spec.RoleARN)
}

// of reports whether a change of the parameter is of kind k. One that the live stack does not know
// yet comes with its template, and so with the rest.
func (d difference) of(k Kind, name string) bool {
	_, known := d.live.Parameters[name]
	if k.names(name) {
		return known || k.Rest
	}
	named := slices.ContainsFunc(d.spec.kinds(), func(other Kind) bool { return other.names(name) })
	return k.Rest && (!named || !known)
}

// paths are the paths of all kinds, without the given ones.
func (d difference) paths(without []string) []string {
	var all []string
	for _, k := range d.spec.kinds() {
		all = append(all, k.Paths...)
	}
	return slices.DeleteFunc(all, func(path string) bool { return slices.Contains(without, path) })
}

func (d difference) same(name string) bool {
	value, ok := d.live.Parameters[name]
	return ok && (value == d.want[name] || slices.Contains(d.spec.Hidden, name))
}

// only is the spec as far as kind k goes; where the rest is still to come, on the live template.
func (d difference) only(k Kind, beforeRest bool) Spec {
	s := d.spec
	if beforeRest {
		s.Template, s.Tags = taking(d.template, k.Paths, d.spec.Template), d.live.Tags
		s.Parameters = maps.Clone(d.live.Parameters)
		for _, name := range k.Parameters {
			if _, known := s.Parameters[name]; known {
				s.Parameters[name] = d.want[name]
			}
		}
		return s
	}
	s.Parameters = maps.Clone(d.spec.Parameters)
	s.Template = taking(d.spec.Template, d.paths(k.Paths), d.template)
	for name := range d.want {
		if value, known := d.live.Parameters[name]; known && !d.of(k, name) && value != d.want[name] {
			s.Parameters[name] = value
		}
	}
	return s
}

// sameRole compares service roles. A live stack without one counts as equal: every stack is
// created with its role, which sticks (aws-traps.md, row 1.64), so that only an emulator that does
// not report the role answers like that. Any real change sends the role anyway.
func sameRole(live, want string) bool { return live == "" || live == want }
