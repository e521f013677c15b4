package contract_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is a document that executions end with. It has a schema in statemachine/ and an example in
// docs/, both called after it.
type described string

// example is the documented one.
func (d described) example(t *testing.T) []byte {
	t.Helper()
	return read(t, "docs/"+string(d)+".json")
}

// schema is the file with the document's schema.
func (d described) schema() string { return string(d) + ".schema.json" }

// takes fails unless the schema takes the text. The schemas know no further properties, so a field that is
// new in the code has to be described there.
func (d described) takes(t *testing.T, reason string, text []byte) {
	t.Helper()
	if err := d.validate(t, text); err != nil {
		t.Errorf("%s: not by statemachine/%s: %v\n%s", reason, d.schema(), err, text)
	}
}

// takesJSON fails unless the schema takes what a stage has made.
func (d described) takesJSON(t *testing.T, reason string, made any) {
	t.Helper()
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	d.takes(t, reason, text)
}

// forgery is a change of the example, and why it is none of the document any more.
type forgery struct{ reason, from, to string }

// refuses fails unless the schema refuses the example with each of the changes.
func (d described) refuses(t *testing.T, forgeries map[string]forgery) {
	t.Helper()
	text := d.example(t)
	for name, f := range forgeries {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Replace(text, []byte(f.from), []byte(f.to), 1)
			if bytes.Equal(changed, text) {
				t.Fatalf("docs/%s.json has no %s", d, f.from)
			}
			if d.validate(t, changed) == nil {
				t.Errorf("%s: accepted", f.reason)
			}
		})
	}
}

// validate holds a text against the schema.
func (d described) validate(t *testing.T, text []byte) error {
	t.Helper()
	description, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, "statemachine/"+d.schema())))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(d.schema(), description); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(d.schema())
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// exampleIs holds the documented example against the schema and the code that writes it.
func exampleIs[T any](t *testing.T, d described) {
	t.Helper()
	text := d.example(t)
	d.takes(t, "the example in docs/", text)
	decodesTo[T](t, text)
}
