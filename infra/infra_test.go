package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The committed templates are those that this app writes.
func TestTemplatesAreUpToDate(t *testing.T) {
	if testing.Short() {
		t.Skip("synthesis takes seconds")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("synthesis needs Node 22 or 24, and there is no node on the PATH")
	}
	fresh := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "run", ".", "-out", fresh).CombinedOutput(); err != nil {
		t.Fatalf("go run ./infra: %v\n%s", err, out)
	}
	want, got := read(t, fresh), read(t, "templates")
	if len(want) == 0 {
		t.Fatal("the app wrote no template")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run `go run ./infra -out infra/templates` and commit the result (-fresh +committed):\n%s", diff)
	}
}

// read returns the JSON files below folder, but for fixtures.
func read(t *testing.T, folder string) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".json" {
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = strings.Split(string(body), "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
