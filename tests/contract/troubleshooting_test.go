package contract_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Whoever reads a code in an execution's error pane looks it up: each has its entry, in the order of
// the codes, with at least a sentence of what to do.
func TestTroubleshootingHasEveryCode(t *testing.T) {
	text := string(read(t, "docs/troubleshooting.md"))
	_, text, found := strings.Cut(text, "\n## The codes\n")
	if !found {
		t.Fatal("docs/troubleshooting.md has no section on the codes")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var want, got []string
	for _, code := range fault.Codes() {
		want = append(want, string(code))
	}
	entries := regexp.MustCompile(`(?m)^### (\w+)\n`).FindAllStringSubmatchIndex(text, -1)
	for i, entry := range entries {
		code := text[entry[2]:entry[3]]
		got = append(got, code)
		end := len(text)
		if i+1 < len(entries) {
			end = entries[i+1][0]
		}
		if body := strings.TrimSpace(text[entry[1]:end]); len(body) < 150 || !strings.Contains(body, "| Way out |") && !strings.Contains(body, "same request again") {
			t.Errorf("%s: its entry has no way out:\n%s", code, body)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-codes +entries):\n%s", diff)
	}
}

// What an operator has to find in a hurry has a section of its own.
func TestTroubleshootingHasItsProcedures(t *testing.T) {
	text := string(read(t, "docs/troubleshooting.md"))
	for _, section := range []struct{ heading, command string }{
		{"## Stopping an execution safely", "aws stepfunctions stop-execution"},
		{"## Requests that were not delivered", "aws events put-events"},
	} {
		_, body, found := strings.Cut(text, "\n"+section.heading+"\n")
		body, _, _ = strings.Cut(body, "\n## ")
		if !found || !strings.Contains(body, section.command) {
			t.Errorf("no section %q with %q", section.heading, section.command)
		}
	}
}
