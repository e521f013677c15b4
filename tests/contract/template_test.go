package contract_test

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const templateFile = "template.yaml"

// samTemplate is the orchestrator's template with its short intrinsic functions written out, as
// CloudFormation reads it: !Ref X is {"Ref": "X"}, !GetAtt X.Arn is {"Fn::GetAtt": "X.Arn"}.
type samTemplate map[string]any

func template(t *testing.T) samTemplate {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(read(t, templateFile), &document); err != nil {
		t.Fatalf("%s: %v", templateFile, err)
	}
	object, ok := plain(t, document.Content[0]).(map[string]any)
	if !ok {
		t.Fatalf("%s: not an object", templateFile)
	}
	return object
}

// plain turns a node into maps, slices and scalars.
func plain(t *testing.T, node *yaml.Node) any {
	t.Helper()
	if short := strings.TrimPrefix(node.Tag, "!"); node.Tag != "" && !strings.HasPrefix(node.Tag, "!!") {
		name := "Fn::" + short
		if short == "Ref" || short == "Condition" {
			name = short
		}
		bare := *node
		bare.Tag = ""
		return map[string]any{name: plain(t, &bare)}
	}
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := object[key]; twice {
				t.Errorf("%s:%d: %s is there twice", templateFile, node.Content[i].Line, key)
			}
			object[key] = plain(t, node.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			list[i] = plain(t, item)
		}
		return list
	case yaml.AliasNode:
		return plain(t, node.Alias)
	default:
		var value any
		if err := node.Decode(&value); err != nil {
			t.Fatalf("%s:%d: %v", templateFile, node.Line, err)
		}
		return value
	}
}

// at returns what lies at the path of keys, nil if nothing does.
func at(value any, keys ...string) any {
	for _, key := range keys {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

// resources are the resources of the given type.
func (t samTemplate) resources(kind string) map[string]any {
	found := map[string]any{}
	all, _ := at(map[string]any(t), "Resources").(map[string]any)
	for id, r := range all {
		if at(r, "Type") == kind {
			found[id] = r
		}
	}
	return found
}

func (t samTemplate) functions() map[string]any { return t.resources("AWS::Serverless::Function") }

// property is the property of a function, or what Globals say of it.
func (t samTemplate) property(function any, name string) any {
	if own := at(function, "Properties", name); own != nil {
		return own
	}
	return at(map[string]any(t), "Globals", "Function", name)
}

// ref returns the logical id that value refers to by Ref or Fn::GetAtt.
func ref(value any) string {
	if id, ok := at(value, "Ref").(string); ok {
		return id
	}
	id, _ := at(value, "Fn::GetAtt").(string)
	id, _, _ = strings.Cut(id, ".")
	return id
}

// statements are the statements of the inline policies of a function or state machine.
func statements(resource any) []map[string]any {
	var found []map[string]any
	policies, _ := at(resource, "Properties", "Policies").([]any)
	for _, p := range policies {
		list, _ := at(p, "Statement").([]any)
		for _, s := range list {
			statement, _ := s.(map[string]any)
			found = append(found, statement)
		}
	}
	return found
}

// list returns value's strings, whether it is one or a list of them.
func list(value any) []string {
	if items, ok := value.([]any); ok {
		var texts []string
		for _, item := range items {
			texts = append(texts, fmt.Sprint(item))
		}
		return texts
	}
	if value == nil {
		return nil
	}
	return []string{fmt.Sprint(value)}
}
