package environment

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/statemachine"
)

// schema returns the compiled request schema. It is compiled at the first request: most functions
// import this package for its types only and must not pay for it at their start.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(statemachine.RequestSchema))
	if err != nil {
		return nil, fmt.Errorf("read request schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("request.schema.json", doc); err != nil {
		return nil, fmt.Errorf("add request schema: %w", err)
	}
	s, err := compiler.Compile("request.schema.json")
	if err != nil {
		return nil, fmt.Errorf("compile request schema: %w", err)
	}
	return s, nil
})

// known reports whether the schema has the field.
func known(field string) bool {
	s, err := schema()
	return err == nil && s.Properties[field] != nil
}

// check returns everything wrong with doc. The rules explain better than the schema, so where
// both complain about a field, the rule speaks.
func check(doc document) ([]Violation, error) {
	s, err := schema()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot check the request")
	}
	violations := broken(doc)
	said := map[string]bool{}
	for _, v := range violations {
		said[v.Pointer] = true
	}
	var invalid *jsonschema.ValidationError
	if err := s.Validate(map[string]any(doc)); err != nil && !errors.As(err, &invalid) {
		return nil, fault.Wrap(fault.Internal, err, "cannot check the request")
	}
	for _, v := range translateAll(invalid, s, doc) {
		if !said[v.Pointer] {
			violations = append(violations, v)
		}
	}
	return violations, nil
}

// translateAll turns the leaves of the schema's error tree into violations.
func translateAll(e *jsonschema.ValidationError, s *jsonschema.Schema, doc document) []Violation {
	if e == nil {
		return nil
	}
	if k, ok := e.ErrorKind.(*kind.PropertyNames); ok {
		pointer := pointerTo(append(slices.Clone(e.InstanceLocation), k.Property)...)
		return []Violation{{Pointer: pointer, Given: "a key of this name", Allowed: "what the schema says"}}
	}
	var all []Violation
	for _, cause := range e.Causes {
		all = append(all, translateAll(cause, s, doc)...)
	}
	if len(e.Causes) > 0 {
		return all
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		_, at := lookup(doc, s, e.InstanceLocation)
		for _, field := range k.Missing {
			pointer := pointerTo(append(slices.Clone(e.InstanceLocation), field)...)
			all = append(all, Violation{Pointer: pointer, Given: "nothing", Allowed: allowed(at.Properties[field])})
		}
	case *kind.AdditionalProperties:
		_, at := lookup(doc, s, e.InstanceLocation)
		fields := slices.Sorted(maps.Keys(at.Properties))
		for i, field := range k.Properties {
			pointer := pointerTo(append(slices.Clone(e.InstanceLocation), field)...)
			all = append(all, unknown(pointer, field, fields, i < 50))
		}
	default:
		all = append(all, translate(e, s, doc))
	}
	return all
}

// unknown describes a field that does not exist, where the given ones do.
func unknown(pointer, field string, fields []string, guess bool) Violation {
	v := Violation{Pointer: pointer, Given: "an unknown field", Allowed: "the fields of the schema"}
	if !guess {
		return v
	}
	if n := nearest(field, fields); n != "" {
		v.Hint = "did you mean " + quote(n) + "?"
	} else {
		v.Allowed = strings.Join(fields, ", ")
	}
	return v
}

// translate describes a wrong value.
func translate(e *jsonschema.ValidationError, s *jsonschema.Schema, doc document) Violation {
	value, at := lookup(doc, s, e.InstanceLocation)
	pointer := pointerTo(e.InstanceLocation...)
	v := Violation{Pointer: pointer, Given: given(pointer, value), Allowed: allowed(at)}
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		v.Hint = typeHint(value, k.Want)
	case *kind.Enum:
		if text, ok := value.(string); ok {
			if n := nearest(text, texts(at.Enum.Values)); n != "" {
				v.Hint = "did you mean " + quote(n) + "?"
			}
		}
	case *kind.MinLength:
		v.Given = fmt.Sprintf("%d characters", k.Got)
		v.Allowed = fmt.Sprintf("at least %d characters", k.Want)
	case *kind.MaxLength:
		v.Given = fmt.Sprintf("%d characters", k.Got)
		v.Allowed = fmt.Sprintf("at most %d characters", k.Want)
	case *kind.MinItems:
		v.Given = fmt.Sprintf("%d entries", k.Got)
		v.Allowed = fmt.Sprintf("at least %d, or leave the field out", k.Want)
	case *kind.MaxItems:
		v.Given = fmt.Sprintf("%d entries", k.Got)
		v.Allowed = fmt.Sprintf("at most %d entries", k.Want)
	case *kind.MaxProperties:
		v.Given = fmt.Sprintf("%d entries", k.Got)
		v.Allowed = fmt.Sprintf("at most %d entries", k.Want)
	}
	return v
}

// typeHint says how to send the value that was meant.
func typeHint(value any, want []string) string {
	switch value := value.(type) {
	case nil:
		return "leave the field out"
	case string:
		if _, err := strconv.Atoi(value); err == nil && slices.Contains(want, "integer") {
			return "send the number " + value + " without quotation marks"
		}
	case int64, float64:
		if slices.Contains(want, "string") {
			return "send it in quotation marks: as a number it can lose zeros"
		}
	}
	return ""
}

// lookup returns the value at the path and the schema it has to satisfy, nil where there is none.
func lookup(doc document, s *jsonschema.Schema, path []string) (any, *jsonschema.Schema) {
	var value any = map[string]any(doc)
	for _, p := range path {
		switch parent := value.(type) {
		case map[string]any:
			value = parent[p]
			child := s.Properties[p]
			if more, ok := s.AdditionalProperties.(*jsonschema.Schema); ok && child == nil {
				child = more
			}
			s = child
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, nil
			}
			value = parent[i]
			items, ok := s.Items.(*jsonschema.Schema)
			if !ok {
				return value, nil
			}
			s = items
		}
		if s == nil {
			return value, nil
		}
	}
	return value, s
}

// allowed says what s admits.
func allowed(s *jsonschema.Schema) string {
	switch {
	case s == nil:
		return "what the schema says"
	case s.Enum != nil:
		return "one of " + quoteAll(texts(s.Enum.Values))
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("an integer from %s to %s", s.Minimum.RatString(), s.Maximum.RatString())
	case s.Pattern != nil && len(s.Examples) > 0:
		return fmt.Sprintf("a string such as %s", quoteAll(texts(s.Examples)))
	case s.Pattern != nil:
		return "a string that matches " + s.Pattern.String()
	case s.Types != nil:
		return strings.Join(s.Types.ToStrings(), " or ")
	}
	return "what the schema says"
}

// texts returns the strings among values.
func texts(values []any) []string {
	var all []string
	for _, v := range values {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
