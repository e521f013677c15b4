package contract_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
)

func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "examples", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("docs/examples: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			request, err := environment.Parse(text)
			if err != nil {
				t.Fatalf("%v", err)
			}
			want := "apply"
			if removes(file) {
				want = "delete"
			}
			if got := request.WithDefaults().Operation; got != want {
				t.Errorf("operation: got %q, want %s", got, want)
			}
			// What is written down for the provider stack's deletion has to be a request, too.
			deletion, err := json.Marshal(request.WithDefaults().Deletion())
			if err != nil {
				t.Fatal(err)
			}
			if parsed, err := environment.Parse(deletion); err != nil || parsed.Operation != "delete" || parsed.Key() != request.Key() || len(deletion) > 4096 {
				t.Errorf("the deletion of it: %s (%v)", deletion, err)
			}
		})
	}
}

// removes reports whether an example is one of a removal, by its name.
func removes(file string) bool { return strings.HasPrefix(filepath.Base(file), "delete") }

// choices are what the template lets a user choose, of which every combination has to work.
func choices(r environment.Request) [4]string {
	return [4]string{r.NodeType, r.VPCConfiguration, r.APIAccess, fmt.Sprintf("supplied administrator: %v", r.ClusterAdminRole != "")}
}

// named are the examples that a file of the end-to-end tests names, with their choices.
func named(t *testing.T, file string) map[string][4]string {
	t.Helper()
	found := map[string][4]string{}
	for _, m := range regexp.MustCompile(`"([a-z-]+)"`).FindAllStringSubmatch(string(read(t, file)), -1) {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", m[1]+".json"))
		if err != nil {
			continue // another word
		}
		r, err := environment.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		found[m[1]] = choices(r)
	}
	return found
}

// Each example of a removal is one that tests/e2e/test_delete.py or test_retain.py sends.
func TestExamplesOfRemovals(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "examples", "delete*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples of a removal, %v", len(files), err)
	}
	for _, file := range files {
		sent := fmt.Sprintf("example(%q", strings.TrimSuffix(filepath.Base(file), ".json"))
		if !strings.Contains(string(read(t, "tests/e2e/test_delete.py"))+string(read(t, "tests/e2e/test_retain.py")), sent) {
			t.Errorf("no end-to-end test has %s", sent)
		}
	}
}

// Each example of an environment is made by an end-to-end test; together they are all sixteen combinations. Those that
// `make test` makes have each pair of choices.
func TestExamplesHaveEveryCombination(t *testing.T) {
	always, long := named(t, "tests/e2e/conftest.py"), named(t, "tests/e2e/test_matrix.py")
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "examples", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if removes(file) {
			continue
		}
		if _, ok := always[name]; !ok && long[name] == ([4]string{}) {
			t.Errorf("no end-to-end test makes %s", name)
		}
	}
	all, pairs := map[[4]string]bool{}, map[[2]string]bool{}
	for _, c := range always {
		all[c] = true
		for i, one := range c {
			for _, other := range c[i+1:] {
				pairs[[2]string{one, other}] = true
			}
		}
	}
	for _, c := range long {
		all[c] = true
	}
	if len(all) != 16 {
		t.Errorf("%d of 16 combinations have an example", len(all))
	}
	// Six pairs of four choices, each in four ways.
	if len(pairs) != 24 {
		t.Errorf("`make test` makes %d of 24 pairs: %v", len(pairs), pairs)
	}
}
