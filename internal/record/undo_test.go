package record_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const (
	undoing = `{"name": "dev", "prefix": "opa", "awsAccountID": "222222222222", "awsRegion": "eu-west-1", "environmentRole": "arn:aws:iam::222222222222:role/r",` +
		`"vpcConfiguration": "create_new", "apiAccess": "private", "nodeType": "FARGATE", "operation": "apply", "onFailure": "delete"}`
	broken = `, "failure": {"Error": "Failed", "Cause": "{\"errorMessage\": \"{\\\"stage\\\":\\\"Cluster\\\",\\\"code\\\":\\\"Failed\\\",\\\"message\\\":\\\"broken\\\"}\"}"}`
)

// recorded runs the recorder on a state document of an execution of request, and returns what it made of it.
func recorded(t *testing.T, a target, request, execution, sections string) (*record.Outcome, record.Document, *table, *locks, *events) {
	t.Helper()
	text := `{"state": {"execution": {"arn": "e", "startTime": "2026-11-22T10:00:00Z"` + execution + `}, "request": ` + request + `,
		"names": {"environment": "opa-dev", "networkStack": "N", "clusterStack": "C"}` + sections + `}}`
	return record1(t, a, text)
}

func record1(t *testing.T, a target, text string) (*record.Outcome, record.Document, *table, *locks, *events) {
	t.Helper()
	var in record.FailureInput
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	db, held, told := &table{}, &locks{}, &events{}
	got, err := record.NewFailure(a, a.leftovers, record.NewHistory(db, "t"), held, told.bus()).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var document record.Document
	if err := json.Unmarshal([]byte(got.Cause), &document); err != nil {
		t.Fatal(err)
	}
	return got, document, db, held, told
}

// Nothing may be removed but what this execution has made itself. Each case but the first is one in which
// that is not so, or not known.
func TestUndoDecision(t *testing.T) {
	stopped, err := json.Marshal(undoing)
	if err != nil {
		t.Fatal(err)
	}
	ended := func(status string) string {
		return `{"detail": {"executionArn": "e", "status": "` + status + `", "input": ` + string(stopped) + `}}`
	}
	something := target{"N": "CREATE_COMPLETE"}
	whole := target{"EKS-ENV-opa-dev-Network": "CREATE_COMPLETE"}
	cases := map[string]struct {
		reason   string
		target   target
		request  string
		sections string
		// text is the whole input, where it is not made of these.
		text string
		undo bool
		want *record.Undo
	}{
		"First": {
			reason: "there was nothing before, under the lock, and there is something now",
			target: something, request: undoing, sections: `, "lock": {}, "bootstrap": {"before": []}` + broken, undo: true,
		},
		"Kept": {
			reason: "nobody asked for it",
			target: something, request: strings.Replace(undoing, `"delete"`, `"keep"`, 1), sections: `, "lock": {}, "bootstrap": {"before": []}` + broken,
		},
		"Delete": {
			reason: "a removal that fails is not undone",
			target: something, request: strings.Replace(undoing, `"apply"`, `"delete"`, 1), sections: `, "lock": {}, "bootstrap": {"before": []}` + broken,
		},
		"Plan": {
			reason: "a plan makes nothing",
			target: something, request: strings.Replace(undoing, `"apply"`, `"plan"`, 1), sections: `, "lock": {}, "bootstrap": {"before": []}` + broken,
		},
		"Nothing": {
			reason: "there is nothing to remove",
			target: target{}, request: undoing, sections: `, "lock": {}, "bootstrap": {"before": []}` + broken,
		},
		"Update": {
			reason: "an environment that was there before is never removed",
			target: something, request: undoing, sections: `, "lock": {}, "bootstrap": {"before": ["stack N", "stack C"]}` + broken,
			want: &record.Undo{Status: "kept", Why: "the environment was there before this execution, at least in part: stack N, stack C"},
		},
		"Conflict": {
			reason: "what is there is the lock's holder's",
			target: something, request: undoing, sections: broken,
			want: &record.Undo{Status: "kept", Why: "what there is was there before this execution, or is another's: this one had made nothing of the environment yet"},
		},
		"Bootstrap": {
			reason: "nobody has looked what was there before",
			target: something, request: undoing, sections: `, "lock": {}` + broken,
			want: &record.Undo{Status: "kept", Why: "what there is was there before this execution, or is another's: this one had made nothing of the environment yet"},
		},
		"NotLooked": {
			reason: "as above: a function of an older version has not looked",
			target: something, request: undoing, sections: `, "lock": {}, "bootstrap": {}` + broken,
			want: &record.Undo{Status: "kept", Why: "what there is was there before this execution, or is another's: this one had made nothing of the environment yet"},
		},
		"Aborted": {
			reason: "who stops an execution wants to look", target: whole, text: ended("ABORTED"),
			want: &record.Undo{Status: "kept", Why: "an execution that is over removes nothing; the operation delete does"},
		},
		"TimedOut": {
			reason: "no state runs any more", target: whole, text: ended("TIMED_OUT"),
			want: &record.Undo{Status: "kept", Why: "an execution that is over removes nothing; the operation delete does"},
		},
		"Preflight": {
			reason: "a request that is refused has made nothing of what is there", target: whole,
			text: `{"state": {"execution": {"arn": "e"}, "input": ` + undoing + broken + `}}`,
			want: &record.Undo{Status: "kept", Why: "what there is was there before this execution, or is another's: this one had made nothing of the environment yet"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			run := func() (*record.Outcome, record.Document, *table, *locks, *events) {
				if tc.text != "" {
					return record1(t, tc.target, tc.text)
				}
				return recorded(t, tc.target, tc.request, "", tc.sections)
			}
			got, document, db, held, told := run()
			if got.Undo != tc.undo {
				t.Fatalf("%s: undo is %t", tc.reason, got.Undo)
			}
			if tc.undo {
				// Still to come is the record of what became of it, so the environment stays this execution's.
				if len(held.released) != 0 || len(told.sent) != 0 || len(db.rows) != 1 {
					t.Errorf("%s: %d rows, released %v, told %v", tc.reason, len(db.rows), held.released, told.sent)
				}
				return
			}
			if diff := cmp.Diff(tc.want, document.Undo); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if len(told.sent) != 1 {
				t.Errorf("%s: told %v", tc.reason, told.sent)
			}
		})
	}
}

// The row is written before anything is removed: whatever becomes of that, the failure is on record.
func TestUndoBegins(t *testing.T) {
	_, _, db, _, _ := recorded(t, target{"N": "CREATE_COMPLETE"}, undoing, "", `, "lock": {}, "bootstrap": {"before": []}`+broken)
	for _, row := range db.rows {
		var document record.Document
		if err := json.Unmarshal([]byte(row["document"]), &document); err != nil {
			t.Fatal(err)
		}
		if document.Undo == nil || document.Undo.Status != "begun" || document.Message != "broken" || !strings.Contains(document.Next, "wait") {
			t.Errorf("row: %s", row["document"])
		}
	}
}

// The execution's error stays the first failure's, with what the removal came to.
func TestUndoEnds(t *testing.T) {
	const removed = `, "lock": {}, "bootstrap": {"before": []}, "survey": {"leftovers": ["security group sg-1", "log group g"]}, "deleteNetwork": {"change": "deleted", "removed": ["stack N"]}`
	first := `, "failure": {"Error": "Failed", "Cause": "{\"stage\": \"Cluster\", \"code\": \"Failed\", \"message\": \"broken\", \"leftBehind\": \"something\", \"exists\": [\"N CREATE_COMPLETE\"], \"undo\": {\"status\": \"begun\"}}"}`
	cases := map[string]struct {
		reason   string
		target   target
		sections string
		want     record.Document
	}{
		"Complete": {
			reason: "nothing is left, and the row says so", sections: removed,
			want: record.Document{
				Cause:      stage.Cause{Stage: "Cluster", Code: "Failed", Message: "broken", Next: nothingLeft},
				LeftBehind: "nothing", Exists: []string{}, Undo: &record.Undo{Status: "complete", Removed: []string{"stack N", "security group sg-1", "log group g"}},
			},
		},
		"Orphaned": {
			reason:   "what stays is named",
			target:   target{"log group g": ""},
			sections: removed + `, "sweepData": {"change": "unchanged", "orphaned": [{"what": "log group g", "why": "no"}]}`,
			want: record.Document{
				Cause:      stage.Cause{Stage: "Cluster", Code: "Failed", Message: "broken", Next: startAgain},
				LeftBehind: "something", Exists: []string{"log group g"},
				Undo: &record.Undo{Status: "incomplete", Removed: []string{"stack N", "security group sg-1"}, Orphaned: []environment.Leftover{{What: "log group g", Why: "no"}}},
			},
		},
		"Failed": {
			reason:   "why the removal failed is told beside why there is one",
			target:   target{"C": "DELETE_FAILED"},
			sections: removed + `, "failure": {"Error": "Conflict", "Cause": "{\"errorMessage\": \"{\\\"stage\\\":\\\"Survey\\\",\\\"code\\\":\\\"Conflict\\\",\\\"message\\\":\\\"others\\\",\\\"next\\\":\\\"ask them\\\"}\"}"}`,
			want: record.Document{
				Cause: stage.Cause{
					Stage: "Cluster", Code: "Failed", Message: "broken",
					Next: "the removal of what was made failed as well: do what its cause in undo says, start this request with the operation delete, then correct the first cause and start it again",
				},
				LeftBehind: "something", Exists: []string{"C DELETE_FAILED"},
				Undo: &record.Undo{Status: "failed", Removed: []string{"stack N"}, Cause: &stage.Cause{Stage: "Survey", Code: "Conflict", Message: "others", Next: "ask them"}},
			},
		},
		"FailedInABranch": {
			reason: "what the branches have removed until then, each of them, is told",
			target: target{"C": "DELETE_FAILED"},
			sections: `, "lock": {}, "bootstrap": {"before": []}, "drain": {"change": "deleted", "removed": ["service s"]}, "branches": [
				{"deleteKubectl": {"change": "deleted", "removed": ["stack K"]}},
				{"deleteAddonRoles": {"change": "unchanged", "kept": [{"what": "role r", "why": "asked for"}]}},
				{"failure": {"stage": "DeleteCluster", "Error": "Failed", "Cause": "{\"errorMessage\": \"{\\\"stage\\\":\\\"DeleteCluster\\\",\\\"code\\\":\\\"Failed\\\",\\\"message\\\":\\\"stuck\\\"}\"}"},
					"deleteCapacity": {"change": "deleted", "removed": ["stack P"]}}]`,
			want: record.Document{
				Cause: stage.Cause{
					Stage: "Cluster", Code: "Failed", Message: "broken",
					Next: "the removal of what was made failed as well: do what its cause in undo says, start this request with the operation delete, then correct the first cause and start it again",
				},
				LeftBehind: "something", Exists: []string{"C DELETE_FAILED"},
				Undo: &record.Undo{
					Status: "failed", Removed: []string{"service s", "stack K", "stack P"}, Kept: []environment.Leftover{{What: "role r", Why: "asked for"}},
					Cause: &stage.Cause{Stage: "DeleteCluster", Code: "Failed", Message: "stuck"},
				},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, document, db, held, told := recorded(t, tc.target, undoing, first, tc.sections)
			if diff := cmp.Diff(tc.want, document); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if got.Error != "Failed" || got.Undo {
				t.Errorf("%s: got %s, undo %t: want the first error, and no second removal", tc.reason, got.Error, got.Undo)
			}
			if len(held.released) != 1 || len(told.sent) != 1 {
				t.Errorf("%s: released %v, told %v", tc.reason, held.released, told.sent)
			}
			rows := slices.Collect(maps.Values(db.rows))
			if len(rows) != 1 || !strings.Contains(rows[0]["document"], `"status":"`+tc.want.Undo.Status+`"`) {
				t.Errorf("%s: rows %v", tc.reason, rows)
			}
		})
	}
}

// A removal that a Lambda error ends says which of its states was at work.
func TestUndoNamesTheStateAtWork(t *testing.T) {
	first := `, "failure": {"Error": "Failed", "Cause": "{}"}`
	_, document, _, _, _ := recorded(t, target{}, undoing, first, `, "lock": {}, "bootstrap": {"before": []}, "failure": {"Error": "Lambda.Unknown", "Cause": "{}"}`)
	if got := document.Undo.Cause.Stage; got != "Survey" {
		t.Errorf("got %s, want Survey", got)
	}
}
