package contract_test

import (
	"encoding/json"
	"os"
	"path/filepath"
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
			var event struct {
				Source, DetailType string
				Detail             json.RawMessage
			}
			// An example may be a whole EventBridge entry; the request is its detail.
			if json.Unmarshal(text, &event) == nil && event.Detail != nil {
				text = event.Detail
			}
			request, err := environment.Parse(text)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if again := request.WithDefaults(); again.Operation != "apply" || again.KubernetesVersion == "" {
				t.Errorf("operation %q, version %q", again.Operation, again.KubernetesVersion)
			}
		})
	}
}
