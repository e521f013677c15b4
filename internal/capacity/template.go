package capacity

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Where the templates have what no parameter carries: maps with keys of the request's choice, and
// lists of objects.
const (
	labelsAt    = "Labels"
	taintsAt    = "Taints"
	selectorsAt = "Selectors"
	// tagsPath and metadataPath are the same for [stack.Kind.Paths].
	tagsPath     = "Resources/LaunchTemplate/Properties/LaunchTemplateData/TagSpecifications"
	metadataPath = "Resources/LaunchTemplate/Properties/LaunchTemplateData/MetadataOptions"
)

// ManagedTemplate is the node group's template for r: with its labels, its taints, and its tags on
// what EC2 starts from the launch template, which the tags of a stack do not reach.
func ManagedTemplate(r environment.Request) (string, error) {
	if len(r.NodeLabels)+len(r.NodeTaints)+len(r.Tags) == 0 {
		return templates.CapacityManaged, nil
	}
	return rewrite(templates.CapacityManaged, func(resource func(id string) object) {
		group := resource("NodeGroup")
		if len(r.NodeLabels) > 0 {
			group[labelsAt] = r.NodeLabels
		}
		if len(r.NodeTaints) > 0 {
			group[taintsAt] = taints(r.NodeTaints)
		}
		data, _ := resource("LaunchTemplate")["LaunchTemplateData"].(object)
		specifications, _ := data["TagSpecifications"].([]any)
		for _, s := range specifications {
			if specification, ok := s.(object); ok {
				specification["Tags"] = tagged(specification["Tags"], r.Tags)
			}
		}
	})
}

// FargateTemplate is the Fargate profile's template for r.
func FargateTemplate(r environment.Request) (string, error) {
	return rewrite(templates.CapacityFargate, func(resource func(id string) object) {
		var selectors []any
		for _, s := range r.FargateSelectors {
			selector := object{"Namespace": s.Namespace}
			if len(s.Labels) > 0 {
				selector["Labels"] = pairs(s.Labels)
			}
			selectors = append(selectors, selector)
		}
		resource("Profile")[selectorsAt] = selectors
	})
}

// object is a JSON object.
type object = map[string]any

// rewrite changes the properties of a template's resources.
func rewrite(template string, change func(resource func(id string) object)) (string, error) {
	var body struct {
		Description, Parameters, Conditions, Outputs json.RawMessage `json:",omitempty"`
		Resources                                    map[string]object
	}
	if err := json.Unmarshal([]byte(template), &body); err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot read a template")
	}
	change(func(id string) object {
		properties, _ := body.Resources[id]["Properties"].(object)
		return properties
	})
	text, err := json.Marshal(body)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot write a template")
	}
	return string(text), nil
}

// taints are CloudFormation's form of them.
func taints(list []environment.Taint) []any {
	var all []any
	for _, t := range list {
		taint := object{"Key": t.Key, "Effect": t.Effect}
		if t.Value != "" {
			taint["Value"] = t.Value
		}
		all = append(all, taint)
	}
	return all
}

// tagged adds tags to those of the template, which stay what they are.
func tagged(own any, tags map[string]string) []any {
	all, _ := own.([]any)
	taken := map[any]bool{}
	for _, tag := range all {
		if t, ok := tag.(object); ok {
			taken[t["Key"]] = true
		}
	}
	for _, pair := range pairs(tags) {
		if !taken[pair["Key"]] {
			all = append(all, pair)
		}
	}
	return all
}

// pairs is a map as CloudFormation's list of keys and values, in the order of the keys.
func pairs(m map[string]string) []object {
	list := make([]object, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, object{"Key": key, "Value": m[key]})
	}
	return list
}
