package finding_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/finding"
)

func TestJSON(t *testing.T) {
	got, err := json.Marshal([]finding.Finding{
		finding.Errorf("QuotaExceeded", "/cidr", "%d of %d", 5, 5).WithNext("ask for %d", 6),
		finding.Warningf("Odd", "", "odd"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","code":"QuotaExceeded","field":"/cidr","found":"5 of 5","next":"ask for 6"},{"severity":"warning","code":"Odd","found":"odd"}]`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSplit(t *testing.T) {
	e1, e2, w := finding.Errorf("A", "/b", "1"), finding.Errorf("B", "/a", "2"), finding.Warningf("C", "/c", "3")
	errors, warnings := finding.Split([]finding.Finding{w, e1, e2})
	if diff := cmp.Diff([][]finding.Finding{{e2, e1}, {w}}, [][]finding.Finding{errors, warnings}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestText(t *testing.T) {
	got := finding.Text("two:", []finding.Finding{finding.Errorf("A", "/a", "one").WithNext("do it"), finding.Warningf("B", "", "other")})
	if want := "two:\n- /a: one; do it\n- warning: other"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A cause that AWS cuts off in the middle is no JSON any more.
func TestLong(t *testing.T) {
	var report []finding.Finding
	for range 500 {
		report = append(report, finding.Errorf("A", "/"+strings.Repeat("ü", 300), "%s", strings.Repeat("x", 100)))
	}
	text := finding.Text("many:", report)
	if !strings.Contains(text, "\n- … and ") || len(text) > 10_000 {
		t.Errorf("got %d bytes that end with %q", len(text), text[len(text)-60:])
	}
	document, err := json.Marshal(finding.Fitting(report))
	if err != nil || len(document) > 10_000 || len(document) < 8_000 {
		t.Errorf("got %d bytes, %v", len(document), err)
	}
}
