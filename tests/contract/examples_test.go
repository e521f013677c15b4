package contract_test

import (
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
			request, err := environment.Parse(text)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if got := request.WithDefaults().Operation; got != "apply" {
				t.Errorf("operation: got %q, want apply", got)
			}
		})
	}
}
