package contract_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/record"
)

// root is the repository, seen from this package's folder.
const root = "../.."

// example is a JSON block of a document with the marker above it, which says what it is an example of.
var example = regexp.MustCompile("(?ms)(?:^<!-- ([a-z]+) -->\n+)?^ *```json\n(.*?)^ *```$")

// TestDocumentedJSON holds every JSON block of the documents against the code that would read or
// write it. A block without a marker fails: nobody would notice when it goes out of date.
func TestDocumentedJSON(t *testing.T) {
	checks := map[string]struct {
		reason string
		check  func(t *testing.T, body []byte)
		found  int
	}{
		"request": {reason: "a reader copies it and sends it", check: parsed},
		"event":   {reason: "a reader copies it and puts it on the bus", check: matchedByRule},
		"result":  {reason: "a reader looks for its fields in a real one", check: decodesTo[record.Result]},
		"cause":   {reason: "a reader looks for its fields in a real one", check: decodesTo[record.Document]},
	}
	for _, file := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range example.FindAllStringSubmatch(string(text), -1) {
			kind, body := match[1], match[2]
			c, ok := checks[kind]
			if !ok {
				t.Errorf("%s: a JSON block has the marker %q, want one of request, event, result, cause:\n%s", file, kind, body)
				continue
			}
			c.found++
			checks[kind] = c
			t.Run(kind+" in "+filepath.Base(file), func(t *testing.T) { c.check(t, []byte(body)) })
		}
	}
	for kind, c := range checks {
		if c.found == 0 {
			t.Errorf("no document has an example of %s (%s)", kind, c.reason)
		}
	}
}

// documents lists the documents that readers copy from.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"}
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		files = append(files, filepath.Join("docs", filepath.Base(file)))
	}
	return files
}

// parsed fails unless body is a valid request.
func parsed(t *testing.T, body []byte) {
	t.Helper()
	if _, err := environment.Parse(body); err != nil {
		t.Errorf("\nParse(%s):\n%v", body, err)
	}
}

// matchedByRule fails unless body is a list of entries for PutEvents that the template's rule
// matches and whose details are valid requests.
func matchedByRule(t *testing.T, body []byte) {
	t.Helper()
	var entries []struct{ Source, DetailType, Detail string }
	if err := json.Unmarshal(body, &entries); err != nil {
		t.Fatalf("read entries: %v", err)
	}
	template, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pattern := []string{"source: [" + entry.Source + "]", "detail-type: [" + entry.DetailType + "]"}
		for _, line := range pattern {
			if !strings.Contains(string(template), line) {
				t.Errorf("the rule in template.yaml lacks the line %q", line)
			}
		}
		parsed(t, []byte(entry.Detail))
	}
}

// decodesTo fails unless body has the fields of T and no others.
func decodesTo[T any](t *testing.T, body []byte) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(new(T)); err != nil {
		t.Errorf("\nread %s:\n%v", body, err)
	}
}
