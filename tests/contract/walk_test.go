package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/access"
	"github.com/harmonix-eks/environment-provider/internal/addonroles"
	"github.com/harmonix-eks/environment-provider/internal/bootstrap"
	"github.com/harmonix-eks/environment-provider/internal/capacity"
	"github.com/harmonix-eks/environment-provider/internal/cluster"
	"github.com/harmonix-eks/environment-provider/internal/clusterdns"
	"github.com/harmonix-eks/environment-provider/internal/deploykubectl"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/identity"
	"github.com/harmonix-eks/environment-provider/internal/loadbalancer"
	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/logging"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/preflight"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/register"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/teardown"
	"github.com/harmonix-eks/environment-provider/internal/verify"
)

// signature is what a stage's Go side takes and gives.
type signature struct{ in, out reflect.Type }

func signatureOf[S, In, Out any](func(S, context.Context, In) (Out, error)) signature {
	out := reflect.TypeFor[Out]()
	if out.Kind() == reflect.Pointer {
		out = out.Elem()
	}
	return signature{in: reflect.TypeFor[In](), out: out}
}

func signatures() map[string]signature {
	return map[string]signature{
		"Preflight":     signatureOf((*preflight.Stage).Run),
		"Lock":          signatureOf((*lock.Stage).Run),
		"Bootstrap":     signatureOf((*bootstrap.Stage).Run),
		"Network":       signatureOf((*network.Stage).Run),
		"Identity":      signatureOf((*identity.Stage).Run),
		"Cluster":       signatureOf((*cluster.Stage).Run),
		"Egress":        signatureOf((*egress.Stage).Run),
		"DeployKubectl": signatureOf((*deploykubectl.Stage).Run),
		"Access":        signatureOf((*access.Stage).Run),
		"Capacity":      signatureOf((*capacity.Stage).Run),
		"AddonRoles":    signatureOf((*addonroles.Stage).Run),
		"Logging":       signatureOf((*logging.Stage).Run),
		"ClusterDNS":    signatureOf((*clusterdns.Stage).Run),
		"LoadBalancer":  signatureOf((*loadbalancer.Stage).Run),
		"Verify":        signatureOf((*verify.Stage).Run),
		"Register":      signatureOf((*register.Stage).Run),
		"Complete":      signatureOf((*record.Complete).Run),
		"Plan":          signatureOf((*record.Plan).Run),
		"Survey":        signatureOf((*teardown.Survey).Run),
		"Drain":         signatureOf((*teardown.Drain).Run),
		"SweepNetwork":  signatureOf((*teardown.SweepNetwork).Run),
		"SweepData":     signatureOf((*teardown.SweepData).Run),

		"DeleteKubectl":    signatureOf((*teardown.DeleteStack).Run),
		"DeleteAddonRoles": signatureOf((*teardown.DeleteStack).Run),
		"DeleteCapacity":   signatureOf((*teardown.DeleteStack).Run),
		"DeleteCluster":    signatureOf((*teardown.DeleteStack).Run),
		"DeleteEgress":     signatureOf((*teardown.DeleteStack).Run),
		"DeleteNetwork":    signatureOf((*teardown.DeleteStack).Run),
		"DeleteIdentity":   signatureOf((*teardown.DeleteStack).Run),
		"DeleteProvider":   signatureOf((*teardown.DeleteStack).Run),
		"CompleteDelete":   signatureOf((*record.CompleteDelete).Run),
		"RecordFailure":    signatureOf((*record.Failure).Run),
	}
}

// needs are the sections of the state document that a stage is given, by their Go names: all that
// were made before it. Capacity has Egress among them, because nodes join only with a way out.
var needs = map[string]string{
	"Lock":          "",
	"Bootstrap":     "Lock",
	"Network":       "Lock Bootstrap",
	"Identity":      "Lock Bootstrap",
	"Cluster":       "Lock Bootstrap Network Identity",
	"Egress":        "Lock Bootstrap Network Identity",
	"DeployKubectl": "Lock Bootstrap Network Identity",
	"Access":        "Lock Bootstrap Network Identity Cluster Egress Kubectl",
	"Capacity":      "Lock Bootstrap Network Identity Cluster Egress Kubectl Access",
	"AddonRoles":    "Lock Bootstrap Network Identity Cluster Egress Kubectl Access",
	"Logging":       "Lock Bootstrap Network Identity Cluster Egress Kubectl Access AddonRoles",
	"ClusterDNS":    "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging",
	"LoadBalancer":  "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging ClusterDNS",
	"Verify":        "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging ClusterDNS LoadBalancer",
	"Register":      "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging ClusterDNS LoadBalancer Verification",
	"Complete":      "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging ClusterDNS LoadBalancer Verification Provider",
	"Plan":          "Lock Bootstrap Network Identity Cluster Egress Kubectl Access Capacity AddonRoles Logging ClusterDNS LoadBalancer Verification Provider",
}

// removing are the states of a deletion in the order in which they may begin, with what they need. The
// kubectl function goes when nothing in the cluster is left to do; capacity before the cluster, the
// cluster before its network, and what Harmonix knows last (aws-traps.md, row 6.15).
var removing = map[string]string{
	"Survey":           "Lock Bootstrap",
	"Drain":            "Lock Bootstrap Survey",
	"DeleteKubectl":    "Lock Bootstrap Survey Drain",
	"DeleteAddonRoles": "Lock Bootstrap Survey Drain",
	"DeleteCapacity":   "Lock Bootstrap Survey Drain",
	"DeleteCluster":    "Lock Bootstrap Survey Drain DeleteCapacity",
	"DeleteEgress":     "Lock Bootstrap Survey Drain DeleteCapacity",
	"SweepNetwork":     "Lock Bootstrap Survey Drain DeleteKubectl DeleteAddonRoles DeleteCapacity DeleteCluster DeleteEgress",
	"DeleteNetwork":    "Lock Bootstrap Survey Drain DeleteKubectl DeleteCluster DeleteEgress SweepNetwork",
	"DeleteIdentity":   "Lock Bootstrap Survey Drain DeleteKubectl DeleteCluster SweepNetwork",
	"SweepData":        "Lock Bootstrap Survey Drain DeleteNetwork DeleteIdentity",
	"DeleteProvider":   "Lock Bootstrap Survey Drain DeleteNetwork DeleteIdentity SweepData",
	"CompleteDelete":   "Lock Bootstrap Survey Drain DeleteKubectl DeleteAddonRoles DeleteCapacity DeleteCluster DeleteEgress SweepNetwork DeleteNetwork DeleteIdentity SweepData DeleteProvider",
}

// The definition is walked with the JSON that the Go stages really give and take. Results hold only
// what is always there (the zero value without its omitempty fields), so a path that works here
// works for every result.
func TestWalk(t *testing.T) {
	type scenario struct {
		reason string
		// plans says that the request asks what would be changed.
		plans bool
		// removes says that the request asks for a deletion.
		removes bool
		failed  []string
		// undoes says that the first failure is undone.
		undoes bool
		// told are the stages of whose failure the recorder is told, if not all that failed: "again" stands
		// for its being told of a removal that follows a failure.
		told []string
		end  string
	}
	cases := map[string]scenario{
		"Succeeds":   {reason: "no stage fails", end: "Complete"},
		"Plans":      {reason: "a plan goes through the same stages and ends with what they would do", plans: true, end: "Plan"},
		"Siblings":   {reason: "both branches may fail; both causes are kept", failed: []string{"Network", "Identity"}, end: "Failed"},
		"Beside":     {reason: "as above, for the second Parallel", failed: []string{"Cluster", "Egress", "DeployKubectl"}, end: "Failed"},
		"Workload":   {reason: "as above, for the third Parallel, whose branches have more than one stage", failed: []string{"Capacity", "Logging"}, end: "Failed"},
		"Removes":    {reason: "a deletion goes its own way", removes: true, end: "CompleteDelete"},
		"Dismantles": {reason: "branches of a deletion end before it fails", removes: true, failed: []string{"DeleteKubectl", "DeleteAddonRoles", "DeleteEgress"}, end: "Failed"},
		"Clears":     {reason: "as above", removes: true, failed: []string{"DeleteNetwork", "DeleteIdentity"}, end: "Failed"},
		"Undoes": {
			reason: "what was made is removed, and the execution has failed all the same",
			failed: []string{"Access"}, undoes: true, told: []string{"Access", "again"}, end: "Failed",
		},
		"UndoesBranches": {
			reason: "as above, from the branches of a Parallel",
			failed: []string{"Network", "Identity"}, undoes: true, told: []string{"Network", "Identity", "again"}, end: "Failed",
		},
		"UndoFails": {
			reason: "a removal that fails is not undone, and no second failure hides the first",
			failed: []string{"Access", "SweepData"}, undoes: true, told: []string{"Access", "again", "SweepData"}, end: "Failed",
		},
		"UndoFailsInBranches": {
			reason: "as above, from the branches of a Parallel",
			failed: []string{"Access", "DeleteKubectl", "DeleteEgress"}, undoes: true, told: []string{"Access", "again", "DeleteKubectl", "DeleteEgress"}, end: "Failed",
		},
		"Recorder": {reason: "the recorder's own failure is said, not hidden", failed: []string{"Access", "RecordFailure"}, end: "FailedUnrecorded"},
	}
	for name := range definition(t).tasks() {
		if name != "RecordFailure" {
			_, removes := removing[name]
			cases[name] = scenario{reason: "a failure of any stage is recorded", plans: name == "Plan", removes: removes, failed: []string{name}, end: "Failed"}
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := &walker{failing: tc.failed, undoing: tc.undoes, operation: "apply"}
			if tc.plans {
				w.operation = "plan"
			}
			if tc.removes {
				w.operation = "delete"
			}
			end, output, err := w.run(definition(t), decoded(t, `"whatever was sent"`))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if end != tc.end {
				t.Errorf("%s: ended in %s, want %s", tc.reason, end, tc.end)
			}
			if len(tc.failed) == 0 {
				if diff := cmp.Diff(blank(signatures()[tc.end].out), output); diff != "" {
					t.Errorf("%s: output (-result document +got):\n%s", tc.reason, diff)
				}
				return
			}
			causes := slices.DeleteFunc(slices.Clone(tc.failed), func(s string) bool { return s == "RecordFailure" })
			if tc.told != nil {
				causes = tc.told
			}
			if diff := cmp.Diff(causes, w.recorded); diff != "" {
				t.Errorf("%s: stages the recorder is told of (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// The tables of this file have to know every stage.
func TestWalkKnowsEveryStage(t *testing.T) {
	states := slices.Sorted(maps.Keys(definition(t).tasks()))
	if diff := cmp.Diff(states, slices.Sorted(maps.Keys(signatures()))); diff != "" {
		t.Errorf("signatures (-states +table):\n%s", diff)
	}
	for _, name := range states {
		if needsOf(name) == nil && name != "Lock" && name != "Preflight" && name != "RecordFailure" {
			t.Errorf("needs: says nothing of %s", name)
		}
	}
}

// needsOf are the sections that a stage is given, in either operation.
func needsOf(name string) []string { return strings.Fields(needs[name] + removing[name]) }

// walker interprets as much of the Amazon States Language as the definition uses.
type walker struct {
	// operation is the request's.
	operation string
	// failing are the Task states that fail.
	failing []string
	// undoing says that the recorder has the first failure undone.
	undoing bool
	// recorded are the stages of whose failure the recorder is told.
	recorded []string
	// padding is how many bytes the document has from the start on.
	padding int
	// joining, if there is one, is told what each Parallel state was given and what its branches returned.
	joining func(name string, given map[string]any, returned []any)
}

// run walks m from its first state and returns the last one with its output.
func (w *walker) run(m machine, document any) (end string, output any, err error) {
	name := m.StartAt
	for range 100 {
		s, ok := m.States[name]
		if !ok {
			return "", nil, fmt.Errorf("no state %s", name)
		}
		next := s.Next
		switch s.Type {
		case "Pass":
			document, err = w.pass(s, document)
		case "Task":
			var caught bool
			if document, caught, err = w.task(name, s, document); caught {
				next, s.End = s.Catch[0].Next, false
			}
		case "Parallel":
			var results []any
			for _, b := range s.Branches {
				_, result, err := w.run(b, document)
				if err != nil {
					return "", nil, fmt.Errorf("%s: %w", name, err)
				}
				results = append(results, result)
			}
			if given, ok := document.(map[string]any); ok && w.joining != nil {
				w.joining(name, given, results)
			}
			document, err = w.store(s.ResultPath, document, results)
		case "Choice":
			next, err = choose(s, document)
		case "Fail":
			for _, path := range []string{s.ErrorPath, s.CausePath} {
				if text, lookupErr := lookup(document, path); path != "" && (lookupErr != nil || reflect.TypeOf(text) != reflect.TypeFor[string]()) {
					return "", nil, fmt.Errorf("%s: %s is no text: %w", name, path, lookupErr)
				}
			}
			return name, document, nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
		if s.End {
			return name, document, nil
		}
		name = next
	}
	return "", nil, errors.New("the machine does not end")
}

// task calls the stage and reports whether it failed and was caught.
func (w *walker) task(name string, s state, document any) (after any, caught bool, err error) {
	input, err := build(s.Parameters, document)
	if err != nil {
		return nil, false, err
	}
	if err := w.accept(name, input); err != nil {
		return nil, false, err
	}
	if slices.Contains(w.failing, name) {
		after, err = w.store(&s.Catch[0].ResultPath, document, map[string]any{"Error": "Failed", "Cause": name})
		return after, true, err
	}
	result := blank(signatures()[name].out)
	if object, ok := result.(map[string]any); ok && name == "Preflight" {
		object["execution"] = input["execution"] // it passes this on, which no zero value shows
		request, _ := object["request"].(map[string]any)
		request["operation"] = w.operation // which is never absent after preflight
		if w.padding > 0 {
			object["findings"] = []any{map[string]any{"found": strings.Repeat("x", w.padding)}}
		}
	}
	if object, ok := result.(map[string]any); ok && name == "RecordFailure" && w.undoing {
		w.undoing, object["undo"] = false, true
	}
	if s.ResultSelector != nil {
		if result, err = build(s.ResultSelector, result); err != nil {
			return nil, false, err
		}
	}
	after, err = w.store(s.ResultPath, document, result)
	return after, false, err
}

// accept decodes the input as the stage does, but strictly: a key that the stage does not know is a
// misspelt one.
func (w *walker) accept(name string, input any) error {
	text, err := json.Marshal(input)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	value := reflect.New(signatures()[name].in)
	if name != "RecordFailure" { // it is given all that there is, and reads a part
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(value.Interface()); err != nil {
		return fmt.Errorf("does not take its input: %w", err)
	}
	switch in := value.Elem().Interface().(type) {
	case stage.Input:
		return whole(name, in)
	case teardown.StackInput:
		if in.Stage != name {
			return fmt.Errorf("the state calls itself %q", in.Stage)
		}
		return whole(name, in.Input)
	case preflight.Input:
		if in.Execution.ARN == "" || in.Execution.StartTime.IsZero() || string(in.Input) != `"whatever was sent"` {
			return fmt.Errorf("the input is %s", text)
		}
	case record.FailureInput:
		if in.State.Execution.ARN == "" || in.Entered.IsZero() {
			return errors.New("the input has no entered time or no execution")
		}
		if undone := in.State.Execution.Failure; undone != nil {
			w.recorded = append(w.recorded, "again")
		}
		if in.State.Failure != nil {
			w.recorded = append(w.recorded, in.State.Failure.Cause)
		}
		for _, b := range in.State.Branches {
			if b.Failure != nil && b.Failure.Stage == b.Failure.Cause {
				w.recorded = append(w.recorded, b.Failure.Stage)
			}
		}
	}
	return nil
}

// whole reports what a stage's input lacks.
func whole(name string, in stage.Input) error {
	if in.Entered.IsZero() || in.State.Execution.ARN == "" {
		return errors.New("the input has no entered time or no execution")
	}
	for _, section := range needsOf(name) {
		if reflect.ValueOf(in.State).FieldByName(section).IsNil() {
			return fmt.Errorf("the input has no section %s", section)
		}
	}
	return nil
}

// pass builds a new document. What it joins must be whole: a section that was there or that a branch has,
// and that the join leaves out, is lost to every later stage.
func (w *walker) pass(s state, document any) (any, error) {
	built, err := build(s.Parameters, document)
	if err != nil {
		return nil, err
	}
	if at(built, "execution", "failure") != nil {
		// A removal is to know nothing of what was made but what a look shows.
		return w.store(s.ResultPath, document, built)
	}
	if branches, ok := at(document, "branches").([]any); ok {
		for _, part := range slices.Concat(branches, []any{document}) {
			sections, _ := part.(map[string]any)
			for key := range sections {
				if _, ok := built[key]; !ok && key != "branches" {
					return nil, fmt.Errorf("drops %s", key)
				}
			}
		}
	}
	return w.store(s.ResultPath, document, built)
}

// store puts result where path says: absent or "$" means in place of the document.
func (w *walker) store(path *string, document, result any) (any, error) {
	if path == nil || *path == "$" {
		return result, nil
	}
	key, ok := strings.CutPrefix(*path, "$.")
	object, isObject := document.(map[string]any)
	if !ok || !isObject || strings.ContainsAny(key, ".[") {
		return nil, fmt.Errorf("ResultPath %s: not one key of an object", *path)
	}
	object = maps.Clone(object)
	object[key] = result
	return object, nil
}

// build fills a Parameters block.
func build(block map[string]any, document any) (map[string]any, error) {
	built := map[string]any{}
	for key, value := range block {
		var err error
		name, isPath := strings.CutSuffix(key, ".$")
		switch v := value.(type) {
		case string:
			if isPath {
				value, err = lookup(document, v)
			}
		case map[string]any:
			value, err = build(v, document)
		}
		if err != nil {
			return nil, err
		}
		built[name] = value
	}
	return built, nil
}

// contextObject is what "$$" names (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html).
var contextObject = map[string]any{
	"Execution": map[string]any{
		"Id": "arn:aws:states:us-east-1:111111111111:execution:m:e", "Name": "e", "StartTime": "2026-11-22T10:00:00.000Z", "Input": "whatever was sent",
	},
	"State": map[string]any{"EnteredTime": "2026-11-22T10:00:01.000Z"},
}

// lookup reads a path such as $.branches[0].names; one that is not there ends an execution.
func lookup(document any, path string) (any, error) {
	rest, value := strings.TrimPrefix(path, "$"), document
	if after, ok := strings.CutPrefix(path, "$$"); ok {
		rest, value = after, contextObject
	}
	for _, step := range strings.FieldsFunc(rest, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch v := value.(type) {
		case map[string]any:
			found, ok := v[step]
			if !ok {
				return nil, fmt.Errorf("%s: there is no %s, only %v", path, step, slices.Sorted(maps.Keys(v)))
			}
			value = found
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(v) {
				return nil, fmt.Errorf("%s: there is no element %s of %d", path, step, len(v))
			}
			value = v[n]
		default:
			return nil, fmt.Errorf("%s: %s is looked for in a %T", path, step, value)
		}
	}
	return value, nil
}

func choose(s state, document any) (string, error) {
	for _, c := range s.Choices {
		tests := c.Or
		if len(tests) == 0 {
			tests = []choice{c}
		}
		for _, test := range tests {
			value, err := lookup(document, test.Variable)
			switch {
			case test.IsPresent != nil:
				if (err == nil) == *test.IsPresent {
					return c.Next, nil
				}
			case test.StringEquals != nil:
				if err != nil {
					return "", err // a Choice on what is not there ends an execution
				}
				if value == *test.StringEquals {
					return c.Next, nil
				}
			case test.BooleanEquals != nil:
				if err != nil {
					return "", err
				}
				if value == *test.BooleanEquals {
					return c.Next, nil
				}
			default:
				return "", fmt.Errorf("a comparison of %s that this test does not know", test.Variable)
			}
		}
	}
	return s.Default, nil
}

// blank is the JSON of a type's zero value.
func blank(of reflect.Type) any {
	text, err := json.Marshal(reflect.Zero(of).Interface())
	if err != nil {
		panic(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		panic(err)
	}
	return value
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// A Pass hands each section on under its own name, also the one of a branch.
func TestPassesKeepNames(t *testing.T) {
	fromBranch := regexp.MustCompile(`^\$\.branches\[\d\]\.`)
	m := definition(t)
	m.each(func(name string, s state) {
		for key, value := range s.Parameters {
			path, isPath := value.(string)
			if isPath && s.Type == "Pass" && strings.HasPrefix(path, "$.") && fromBranch.ReplaceAllString(path, "$$.") != "$."+strings.TrimSuffix(key, ".$") {
				t.Errorf("%s: %s comes from %s, another section", name, key, path)
			}
		}
		for _, path := range paths(s.Parameters) {
			if strings.HasPrefix(path, "$$.") && path != "$$.State.EnteredTime" && name != m.StartAt {
				t.Errorf("%s: reads %s; the first state puts it into the document", name, path)
			}
		}
	})
}

// A Parallel's output is what it was given and what each of its branches returns, and Step Functions ends an
// execution at 262,144 bytes, which nothing can catch (aws-traps.md, row 3.5): in the middle of a removal, say. So
// a branch returns the sections of its own stages that have finished, and its failure, and nothing else.
func TestBranchesReturnTheirOwn(t *testing.T) {
	const limit, document = 262_144, 200_000
	m := definition(t)
	for name, way := range walks(t) {
		t.Run(name, func(t *testing.T) {
			w := &walker{operation: way.operation, failing: way.failing, undoing: way.undoing, padding: document}
			w.joining = func(parallel string, given map[string]any, returned []any) {
				for i, branch := range returned {
					sections, _ := branch.(map[string]any)
					if diff := cmp.Diff(ownSections(m.States[parallel].Branches[i], way.failing), slices.Sorted(maps.Keys(sections))); diff != "" {
						t.Errorf("%s: what branch %d returns (-its own +got):\n%s", parallel, i, diff)
					}
				}
				text, err := json.Marshal([]any{given, returned})
				if err != nil || len(text) > limit {
					t.Errorf("%s: puts out %d bytes of a document of %d (%v)", parallel, len(text), document, err)
				}
			}
			if _, _, err := w.run(m, decoded(t, `"whatever was sent"`)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// ownSections are what a branch has made where some Tasks fail.
func ownSections(branch machine, failing []string) []string {
	var own []string
	for name := branch.StartAt; branch.States[name].Type == "Task"; name = branch.States[name].Next {
		if slices.Contains(failing, name) {
			own = append(own, "failure")
			break
		}
		own = append(own, sectionOf(branch.States[name]))
	}
	slices.Sort(own)
	return own
}

// sectionOf is the key of a Task's section: where its result is put, or what it is called in the output of a
// branch that has nothing else.
func sectionOf(s state) string {
	for key := range s.ResultSelector {
		return strings.TrimSuffix(key, ".$")
	}
	return strings.TrimPrefix(*s.ResultPath, "$.")
}
