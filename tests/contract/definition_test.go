package contract_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const definitionFile = "statemachine/provider.asl.json"

// machine is a state machine or the branch of a Parallel state.
type machine struct {
	Comment, StartAt string
	TimeoutSeconds   int
	States           map[string]state
}

// state holds every field that the definition uses. A field that is not here fails the tests,
// because nothing would judge it.
type state struct {
	Type, Comment, Resource, Next, Default string
	End                                    bool
	TimeoutSeconds                         int
	Parameters, ResultSelector             map[string]any
	ResultPath                             *string
	Retry                                  []retrier
	Catch                                  []catcher
	Branches                               []machine
	Choices                                []choice
	Error, Cause, ErrorPath, CausePath     string
}

type retrier struct {
	ErrorEquals     []string
	IntervalSeconds *int
	BackoffRate     *float64
	MaxAttempts     *int
	MaxDelaySeconds *int
	JitterStrategy  string
}

type catcher struct {
	ErrorEquals      []string
	ResultPath, Next string
}

type choice struct {
	Or        []choice
	Variable  string
	IsPresent *bool
	// StringEquals compares the variable with a text.
	StringEquals *string
	// BooleanEquals compares it with true or false.
	BooleanEquals *bool
	Next          string
}

// read returns the text of a file of the repository.
func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return text
}

func definition(t *testing.T) machine {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(read(t, definitionFile)))
	decoder.DisallowUnknownFields()
	var m machine
	if err := decoder.Decode(&m); err != nil {
		t.Fatalf("%s: %v", definitionFile, err)
	}
	return m
}

// each calls visit for every state of m and of its branches.
func (m machine) each(visit func(name string, s state)) {
	for name, s := range m.States {
		visit(name, s)
		for _, b := range s.Branches {
			b.each(visit)
		}
	}
}

// tasks are the Task states of m by their names.
func (m machine) tasks() map[string]state {
	found := map[string]state{}
	m.each(func(name string, s state) {
		if s.Type == "Task" {
			found[name] = s
		}
	})
	return found
}

// handles reports whether the retrier names one of the errors.
func (r retrier) handles(errors ...string) bool {
	return slices.ContainsFunc(r.ErrorEquals, func(e string) bool { return slices.Contains(errors, e) })
}

// paths returns the JSONPaths that a Parameters block reads.
func paths(value any) []string {
	var found []string
	object, _ := value.(map[string]any)
	for key, v := range object {
		if path, ok := v.(string); ok && strings.HasSuffix(key, ".$") {
			found = append(found, path)
			continue
		}
		found = append(found, paths(v)...)
	}
	return found
}
