package contract_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
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
		"request":  {reason: "a reader copies it and sends it", check: parsed},
		"event":    {reason: "a reader copies it and puts it on the bus", check: matchedByRule},
		"result":   {reason: "a reader looks for its fields in a real one", check: decodesTo[record.Result]},
		"function": {reason: "a reader copies it and invokes the kubectl function; tests/e2e does so too", check: invocable},
		"answer":   {reason: "a reader looks for its fields in a real one", check: decodesTo[command.Result]},
		"ended":    {reason: "a reader writes a rule for it", check: decodesTo[record.Ended]},
		"cause":    {reason: "a reader looks for its fields in a real one", check: decodesTo[record.Document]},
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
				t.Errorf("%s: a JSON block has the marker %q, want one of request, event, result, function, answer, ended, cause:\n%s", file, kind, body)
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

// link is a reference from one document to a file of the repository, a heading, or both.
var link = regexp.MustCompile(`\]\(([\w./-]*)(?:#([^)]*))?\)`)

// TestDocumentedLinks follows every relative link of the documents, to the heading that it names.
func TestDocumentedLinks(t *testing.T) {
	for _, file := range append(documents(t), "CHANGELOG.md") {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target := filepath.Join(root, filepath.Dir(file), match[1])
			if match[1] == "" {
				target = filepath.Join(root, file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", file, match[1])
			} else if match[2] != "" && !slices.Contains(anchors(t, target), match[2]) {
				t.Errorf("%s: %s has no heading #%s", file, filepath.Base(target), match[2])
			}
		}
	}
}

var (
	heading     = regexp.MustCompile("(?m)^#+ +(.*)$|<a (?:id|name)=\"([^\"]+)\"")
	punctuation = regexp.MustCompile(`[^\pL\pN _-]`)
)

// anchors are the names that GitHub gives to the headings of a document, and those that it declares.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, match := range heading.FindAllStringSubmatch(string(text), -1) {
		name := punctuation.ReplaceAllString(strings.ToLower(match[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-")+match[2])
	}
	return all
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

// invocable fails unless body is a request to the kubectl function: for a command that is let through,
// or of a type that it knows.
func invocable(t *testing.T, body []byte) {
	t.Helper()
	var event struct {
		Command                   []string
		RequestType, ResourceType string
		ResourceProperties        map[string]any
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Command != nil {
		if _, err := command.Parse(event.Command); err != nil {
			t.Error(err)
		}
		return
	}
	known := []string{protocol.Resource, protocol.Patch, protocol.Value, protocol.Chart}
	if !slices.Contains(known, event.ResourceType) || event.ResourceProperties["ClusterName"] == nil {
		t.Errorf("not a request:\n%s", body)
	}
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
