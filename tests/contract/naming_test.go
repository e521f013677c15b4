package contract_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// functionOf is the function behind a state, by their names: the state's own, but for the states that
// delete one stack each. They tell one function which state calls.
func functionOf(name string, s state) string {
	if s.Parameters["stage"] == name && strings.HasPrefix(name, "Delete") {
		return "DeleteStack"
	}
	return name
}

// A state X, the folder functions/x, the logical id XFunction, the substitution XFunctionArn and the
// placeholder ${XFunctionArn} belong together. The kubectl function and the delete hook are no stages:
// target accounts have their own copies of them, and no state calls the master.
func TestEveryStageHasOneNameEverywhere(t *testing.T) {
	def, tmpl := definition(t), template(t)
	tasks := def.tasks()

	var folders, wantFolders, wantFunctions, wantSubstitutions []string
	entries, err := os.ReadDir(filepath.Join("..", "..", "functions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	for state, s := range tasks {
		name := functionOf(state, s)
		wantFolders = append(wantFolders, strings.ToLower(name))
		wantFunctions = append(wantFunctions, name+"Function")
		wantSubstitutions = append(wantSubstitutions, name+"FunctionArn")
		if want := "${" + name + "FunctionArn}"; s.Resource != want {
			t.Errorf("state %s: Resource is %q, want %q", state, s.Resource, want)
		}
		main := string(read(t, "functions/"+strings.ToLower(name)+"/main.go"))
		if want := fmt.Sprintf("stage.Start(%q,", name); !strings.Contains(main, want) {
			t.Errorf("functions/%s/main.go: no %q, so that causes and logs name another stage", strings.ToLower(name), want)
		}
	}
	wantFolders = set(append(wantFolders, "deletehook", "kubectl"))
	if diff := cmp.Diff(wantFolders, folders); diff != "" {
		t.Errorf("folders in functions/ (-states +folders):\n%s", diff)
	}
	wantFunctions = set(append(wantFunctions, "DeleteHookFunction", "KubectlFunction"))
	if diff := cmp.Diff(wantFunctions, slices.Sorted(maps.Keys(tmpl.functions()))); diff != "" {
		t.Errorf("functions in template.yaml (-states +template):\n%s", diff)
	}

	substitutions, _ := at(stateMachine(t, tmpl), "Properties", "DefinitionSubstitutions").(map[string]any)
	wantSubstitutions = set(wantSubstitutions)
	if diff := cmp.Diff(wantSubstitutions, slices.Sorted(maps.Keys(substitutions))); diff != "" {
		t.Errorf("DefinitionSubstitutions (-states +template):\n%s", diff)
	}
	for name, value := range substitutions {
		if got, want := at(value, "Fn::GetAtt"), strings.TrimSuffix(name, "Arn")+".Arn"; got != want {
			t.Errorf("substitution %s: is %v, want !GetAtt %s", name, got, want)
		}
	}
	placeholders := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(read(t, definitionFile)), -1) {
		placeholders[m[1]] = true
	}
	if diff := cmp.Diff(wantSubstitutions, slices.Sorted(maps.Keys(placeholders))); diff != "" {
		t.Errorf("placeholders in the definition (-states +definition):\n%s", diff)
	}
	if got := at(stateMachine(t, tmpl), "Properties", "DefinitionUri"); got != definitionFile {
		t.Errorf("DefinitionUri: got %v, want %s", got, definitionFile)
	}
}

// set is the list in order, each element once.
func set(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// The machine may invoke its stages and nothing else.
func TestMachineMayInvokeItsStages(t *testing.T) {
	tmpl := template(t)
	var got, want []string
	for _, s := range statements(stateMachine(t, tmpl)) {
		if !slices.Contains(list(s["Action"]), "lambda:InvokeFunction") {
			continue
		}
		resources, _ := s["Resource"].([]any)
		for _, r := range resources {
			got = append(got, ref(r))
		}
	}
	for name, s := range definition(t).tasks() {
		want = append(want, functionOf(name, s)+"Function")
	}
	slices.Sort(got)
	want = set(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions the machine may invoke (-want +got):\n%s", diff)
	}
}

func TestFunctions(t *testing.T) {
	tmpl := template(t)
	groups := tmpl.resources("AWS::Logs::LogGroup")
	users := map[string]string{}
	for id, f := range tmpl.functions() {
		if got := at(f, "Metadata", "BuildMethod"); got != "makefile" {
			t.Errorf("%s: BuildMethod is %v, want makefile", id, got)
		}
		if got := tmpl.property(f, "Role"); got != nil {
			t.Errorf("%s: has the role %v; each function gets its own from SAM", id, got)
		}
		if got := tmpl.property(f, "Runtime"); got != "provided.al2023" {
			t.Errorf("%s: Runtime is %v, want provided.al2023", id, got)
		}
		if got := tmpl.property(f, "Tracing"); got != "Active" {
			t.Errorf("%s: Tracing is %v, want Active", id, got)
		}
		if at(f, "Properties", "ReservedConcurrentExecutions") != nil {
			t.Errorf("%s: reserves concurrency, which a new account with ten does not have (aws-traps.md, row 3.4)", id)
		}
		group := ref(at(f, "Properties", "LoggingConfig", "LogGroup"))
		if groups[group] == nil {
			t.Errorf("%s: its log group %q is not in the template", id, group)
			continue
		}
		if other, ok := users[group]; ok {
			t.Errorf("%s: shares the log group %s with %s", id, group, other)
		}
		users[group] = id
	}
	for id, g := range groups {
		if at(g, "Properties", "RetentionInDays") == nil {
			t.Errorf("%s: keeps its logs for ever", id)
		}
	}
}

// A stage's own error must win over States.Timeout, so its function ends before the state does.
func TestFunctionsEndBeforeTheirStates(t *testing.T) {
	tmpl := template(t)
	functions := tmpl.functions()
	for name, s := range definition(t).tasks() {
		timeout, ok := tmpl.property(functions[functionOf(name, s)+"Function"], "Timeout").(int)
		if !ok || timeout >= s.TimeoutSeconds {
			t.Errorf("%sFunction: Timeout is %d s, the state's TimeoutSeconds %d", name, timeout, s.TimeoutSeconds)
		}
	}
}

// stateMachine is the one state machine of the template.
func stateMachine(t *testing.T, tmpl samTemplate) any {
	t.Helper()
	machines := tmpl.resources("AWS::Serverless::StateMachine")
	if len(machines) != 1 {
		t.Fatalf("%s has %d state machines, want 1", templateFile, len(machines))
	}
	for _, m := range machines {
		return m
	}
	return nil
}
