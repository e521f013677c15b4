package stack

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// rendering reads a template as CloudFormation would with given parameters, as far as that can be
// known before anything is made: which resources there are, and what the outputs are.
// What only the made resource can tell is [environment.KnownAfterApply].
type rendering struct {
	template   document
	parameters map[string]string
}

// document is the part of a template that is read.
type document struct {
	Conditions map[string]any
	Resources  map[string]struct{ Type, Condition string }
	Outputs    map[string]struct {
		Value     any
		Condition string
	}
}

// render reads s's template with s's parameters.
func (s Spec) render() (rendering, error) {
	r := rendering{parameters: maps.Clone(withDefaults(s.Parameters, s.Template))}
	if err := json.Unmarshal([]byte(s.Template), &r.template); err != nil {
		return r, fault.Wrap(fault.Internal, err, "cannot read the template of stack %s", s.Name)
	}
	if r.parameters == nil {
		r.parameters = map[string]string{}
	}
	r.parameters["AWS::StackName"] = s.Name
	return r, nil
}

// resources lists the resources that the template makes, sorted by logical id.
func (r rendering) resources() []environment.PlannedChange {
	var all []environment.PlannedChange
	for _, id := range slices.Sorted(maps.Keys(r.template.Resources)) {
		if resource := r.template.Resources[id]; r.holds(resource.Condition) {
			all = append(all, environment.PlannedChange{Action: environment.Added, Type: resource.Type, Name: id})
		}
	}
	return all
}

// outputs are the outputs as far as they are known.
func (r rendering) outputs() map[string]string {
	all := map[string]string{}
	for name, output := range r.template.Outputs {
		if r.holds(output.Condition) {
			all[name] = r.text(output.Value)
		}
	}
	return all
}

// holds reports whether the condition of that name does; no name always holds.
func (r rendering) holds(name string) bool {
	return name == "" || r.condition(r.template.Conditions[name])
}

// condition evaluates the body of a condition
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html).
func (r rendering) condition(body any) bool {
	name, argument := intrinsic(body)
	list, _ := argument.([]any)
	holds := func(member any) bool { return r.condition(member) }
	switch name {
	case "Condition":
		other, _ := argument.(string)
		return r.holds(other)
	case "Fn::Equals":
		return len(list) == 2 && r.text(list[0]) == r.text(list[1])
	case "Fn::And":
		return !slices.ContainsFunc(list, func(member any) bool { return !holds(member) })
	case "Fn::Or":
		return slices.ContainsFunc(list, holds)
	case "Fn::Not":
		return len(list) == 1 && !holds(list[0])
	}
	return false
}

// text evaluates a value that is a text. Whatever is built with something unknown is unknown, but
// a list keeps its length: it is joined by commas, and its elements are counted further on.
func (r rendering) text(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	name, argument := intrinsic(value)
	list, _ := argument.([]any)
	switch {
	case name == "Ref":
		if value, ok := r.parameters[argument.(string)]; ok {
			return value
		}
	case name == "Fn::If" && len(list) == 3:
		condition, _ := list[0].(string)
		if r.holds(condition) {
			return r.text(list[1])
		}
		return r.text(list[2])
	case name == "Fn::Join" && len(list) == 2 && list[0] == ",":
		members, _ := list[1].([]any)
		texts := make([]string, len(members))
		for i, member := range members {
			texts[i] = r.text(member)
		}
		return strings.Join(texts, ",")
	}
	return environment.KnownAfterApply
}

// intrinsic takes an intrinsic function apart.
func intrinsic(value any) (name string, argument any) {
	if object, ok := value.(map[string]any); ok && len(object) == 1 {
		for name, argument = range object {
			return name, argument
		}
	}
	return "", nil
}
