package templates_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// template is a CloudFormation template as JSON.
type template struct {
	Description string
	Parameters  map[string]parameter
	Conditions  map[string]any
	Resources   map[string]resource
	Outputs     map[string]output
}

type parameter struct {
	Type, Description string
	Default           *string
}

type resource struct {
	Type, Condition, DeletionPolicy, UpdateReplacePolicy string
	Properties                                           map[string]any
}

type output struct {
	Description, Condition string
	Value                  any
}

func parse(t *testing.T, body string) template {
	t.Helper()
	var parsed template
	if err := json.Unmarshal([]byte(body), &parsed); err != nil {
		t.Fatalf("parse template: %v", err)
	}
	return parsed
}

// stack is a template with values for its parameters: as much of CloudFormation as the templates use.
type stack struct {
	template
	values map[string]string
}

// deploy gives the parameters values; those that have no default and are not named are "{their name}".
func deploy(t *testing.T, body string, values map[string]string) stack {
	t.Helper()
	s := stack{template: parse(t, body), values: map[string]string{
		"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "222222222222", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": "stack",
	}}
	for name, p := range s.Parameters {
		s.values[name] = "{" + name + "}"
		if p.Default != nil {
			s.values[name] = *p.Default
		}
	}
	for name, v := range values {
		s.values[name] = v
	}
	return s
}

// absent is what Ref AWS::NoValue evaluates to.
type absent struct{}

// resources are the stack's resources, without those under a condition that does not hold.
func (s stack) resources() map[string]resource {
	made := map[string]resource{}
	for id, r := range s.Resources {
		if s.holds(r.Condition) {
			properties, _ := s.evaluate(r.Properties).(map[string]any)
			r.Properties = properties
			made[id] = r
		}
	}
	return made
}

// outputs are the stack's outputs, likewise.
func (s stack) outputs() map[string]string {
	made := map[string]string{}
	for name, o := range s.Outputs {
		if s.holds(o.Condition) {
			made[name] = fmt.Sprint(s.evaluate(o.Value))
		}
	}
	return made
}

func (s stack) holds(condition string) bool {
	return condition == "" || s.evaluate(s.Conditions[condition]) == true
}

// evaluate replaces the intrinsic functions in v.
func (s stack) evaluate(v any) any {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, element := range v {
			if e := s.evaluate(element); e != (absent{}) {
				list = append(list, e)
			}
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			for function, argument := range v {
				if result, ok := s.call(function, argument); ok {
					return result
				}
			}
		}
		object := map[string]any{}
		for key, element := range v {
			if e := s.evaluate(element); e != (absent{}) {
				object[key] = e
			}
		}
		return object
	}
	return v
}

// call evaluates one intrinsic function; ok is false when it is not one.
func (s stack) call(function string, argument any) (result any, ok bool) {
	if function == "Fn::If" {
		arguments := argument.([]any)
		if s.holds(arguments[0].(string)) {
			return s.evaluate(arguments[1]), true
		}
		return s.evaluate(arguments[2]), true
	}
	arguments, _ := s.evaluate(argument).([]any)
	switch function {
	case "Condition": // within another condition; a policy's has an object
		name, ok := argument.(string)
		return ok && s.holds(name), ok
	case "Ref":
		return s.ref(argument.(string)), true
	case "Fn::GetAtt":
		return fmt.Sprintf("{%v.%v}", arguments[0], arguments[1]), true
	case "Fn::Sub":
		return s.substitute(argument.(string)), true
	case "Fn::Join":
		var texts []string
		for _, element := range arguments[1].([]any) {
			texts = append(texts, fmt.Sprint(element))
		}
		return strings.Join(texts, arguments[0].(string)), true
	case "Fn::Split":
		list := []any{}
		for _, part := range strings.Split(arguments[1].(string), arguments[0].(string)) {
			list = append(list, part)
		}
		return list, true
	case "Fn::Select":
		list, i := arguments[1].([]any), int(arguments[0].(float64))
		if i >= len(list) { // of a parameter without a value
			return fmt.Sprintf("{%v %d}", list, i), true
		}
		return list[i], true
	case "Fn::Equals":
		return arguments[0] == arguments[1], true
	case "Fn::Not":
		return arguments[0] != true, true
	case "Fn::And":
		for _, a := range arguments {
			if a != true {
				return false, true
			}
		}
		return true, true
	}
	return nil, false
}

// ref is the value of a parameter, or of a resource: an SSM parameter's name, and otherwise "{its id}".
func (s stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return absent{}
	}
	if v, ok := s.values[name]; ok {
		if s.Parameters[name].Type != "CommaDelimitedList" {
			return v
		}
		list := []any{}
		for _, part := range strings.Split(v, ",") {
			list = append(list, part)
		}
		return list
	}
	if r := s.Resources[name]; r.Type == "AWS::SSM::Parameter" {
		return s.evaluate(r.Properties["Name"])
	}
	return "{" + name + "}"
}

func (s stack) substitute(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		if v, ok := s.values[name]; ok {
			b.WriteString(v)
		} else {
			b.WriteString("{" + name + "}")
		}
		text = after
	}
}
