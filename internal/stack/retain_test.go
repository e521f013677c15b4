package stack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	losing  = `{"Resources":{"Table":{"Type":"T","DeletionPolicy":"Delete","Properties":{"Days":1234567890123456789,"Text":"a<b"}},"Key":{"Type":"K","Metadata":{"Owner":"b"}},"Other":{"Type":"K","DeletionPolicy":"RetainExceptOnCreate"},"Role":{"Type":"R"}}}`
	keeping = `{"Resources":{"Table":{"Type":"T","DeletionPolicy":"Retain","Metadata":{"Retained":"by a removal"},"Properties":{"Days":1234567890123456789,"Text":"a<b"}},"Key":{"Type":"K","DeletionPolicy":"Retain","Metadata":{"Owner":"b","Retained":"by a removal"}},"Other":{"Type":"K","DeletionPolicy":"RetainExceptOnCreate"},"Role":{"Type":"R"}}}`
	// kept is a template that said so from the beginning.
	kept = `{"Resources":{"Table":{"Type":"T","DeletionPolicy":"Retain"},"Key":{"Type":"K","DeletionPolicy":"Retain"},"Other":{"Type":"K","DeletionPolicy":"RetainExceptOnCreate"}}}`
)

// What is named stays, whatever the stack's status: it is told so first, or nothing of the stack is deleted.
func TestDeleteRetainsInEveryStatus(t *testing.T) {
	told := []string{"UpdateStack"}
	deleted := []string{"DeleteStack"}
	cases := map[types.StackStatus]struct {
		reason string
		calls  []string
		code   fault.Code
	}{
		"CREATE_COMPLETE":          {"takes another template", told, ""},
		"UPDATE_COMPLETE":          {"takes another template", told, ""},
		"UPDATE_ROLLBACK_COMPLETE": {"takes another template", told, ""},
		"IMPORT_COMPLETE":          {"takes another template", told, ""},
		"IMPORT_ROLLBACK_COMPLETE": {"takes another template", told, ""},

		"CREATE_FAILED":      {"was never whole: nothing in it is worth keeping", deleted, ""},
		"ROLLBACK_COMPLETE":  {"as above", deleted, ""},
		"ROLLBACK_FAILED":    {"as above", deleted, ""},
		"REVIEW_IN_PROGRESS": {"as above", deleted, ""},

		"UPDATE_FAILED":          {"takes no template before it is repaired", nil, "Failed"},
		"UPDATE_ROLLBACK_FAILED": {"as above", nil, "Failed"},
		"IMPORT_ROLLBACK_FAILED": {"as above", nil, "Failed"},
		"DELETE_FAILED":          {"the rest of it would go", nil, "Failed"},
		"DELETE_COMPLETE":        {"is gone", nil, ""},
	}
	for _, status := range types.StackStatus("").Values() {
		tc, ok := cases[status]
		if !ok {
			if strings.HasSuffix(string(status), "_IN_PROGRESS") {
				continue // is awaited; see TestDeleteInEveryStatus
			}
			t.Errorf("no case for %s", status)
			continue
		}
		t.Run(string(status), func(t *testing.T) {
			c := &cloud{looks: []*types.Stack{live(status), live("UPDATE_IN_PROGRESS")}, template: losing}
			if len(tc.calls) == 1 && tc.calls[0] == "DeleteStack" {
				c.looks[1] = nil
			}
			r := removal()
			r.Retain = []string{"Key", "Table", "NotInThisTemplate"}
			_, err := c.engine(t).Delete(t.Context(), r)
			if code := fault.CodeOf(err); code != tc.code && (tc.code != "" || code != fault.InProgress) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.code)
			}
			if diff := cmp.Diff(tc.calls, c.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", tc.reason, diff)
			}
			asked := &cloud{looks: []*types.Stack{live(status)}, template: losing}
			if err := asked.engine(t).CheckRetain(t.Context(), name, r.Retain); fault.CodeOf(err) != tc.code || len(asked.calls) != 0 {
				t.Errorf("%s: asked before, it says %v and calls %v", tc.reason, err, asked.calls)
			}
		})
	}
}

// The update changes no resource: the stack's own template and values, with the policies. CloudFormation does not
// recognize a change of a deletion policy as an update, but one of a resource's Metadata
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html, "No updates to perform").
func TestDeleteRetains(t *testing.T) {
	c := &cloud{looks: []*types.Stack{live("CREATE_COMPLETE"), live("UPDATE_IN_PROGRESS")}, template: losing}
	r := removal()
	r.Retain = []string{"Table", "Key", "Other"}
	if _, err := c.engine(t).Delete(t.Context(), r); fault.CodeOf(err) != fault.InProgress {
		t.Fatal(err)
	}
	if !sameDocument(t, keeping, aws.ToString(c.update.TemplateBody)) {
		t.Errorf("template: %s", aws.ToString(c.update.TemplateBody))
	}
	for _, p := range c.update.Parameters {
		if !aws.ToBool(p.UsePreviousValue) || p.ParameterValue != nil {
			t.Errorf("parameter %s is given anew", aws.ToString(p.ParameterKey))
		}
	}
	if len(c.update.Parameters) != 2 || c.update.Tags != nil || aws.ToString(c.update.RoleARN) != role || len(c.update.Capabilities) != 1 {
		t.Errorf("the update is %+v", c.update)
	}
	if token := aws.ToString(c.update.ClientRequestToken); token == tokenOf(t, spec(), "update") {
		t.Errorf("token %s is that of another operation", token)
	}
}

func TestDeleteAfterRetaining(t *testing.T) {
	retried := func(n int) [][]types.StackEvent {
		var events []types.StackEvent
		for i := range n {
			events = append(events, event(tokenOf(t, spec(), "retain")+string(rune('a'+i)), "Table", "UPDATE_FAILED", "not authorized"))
		}
		return [][]types.StackEvent{events}
	}
	cases := map[string]struct {
		reason string
		cloud  cloud
		calls  []string
		change environment.Change
		code   fault.Code
	}{
		"Told": {
			reason: "the stack keeps it already", cloud: cloud{looks: []*types.Stack{live("UPDATE_COMPLETE"), nil}, template: keeping},
			calls: []string{"DeleteStack"}, change: environment.Deleted,
		},
		"ToldAlways": {
			reason: "nor is it told what its template says", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE"), nil}, template: kept},
			calls: []string{"DeleteStack"}, change: environment.Deleted,
		},
		"ToldAndFailed": {
			reason: "a deletion that keeps it is tried again", cloud: cloud{looks: []*types.Stack{live("DELETE_FAILED"), nil}, template: keeping},
			calls: []string{"DeleteStack"}, change: environment.Deleted,
		},
		"Once": {
			reason: "an update that failed is made once more", cloud: cloud{looks: []*types.Stack{live("UPDATE_ROLLBACK_COMPLETE"), live("UPDATE_IN_PROGRESS")}, template: losing, pages: retried(1)},
			calls: []string{"UpdateStack"}, code: fault.InProgress,
		},
		"Twice": {
			reason: "nothing is deleted of what cannot be kept", cloud: cloud{looks: []*types.Stack{live("UPDATE_ROLLBACK_COMPLETE")}, template: losing, pages: retried(2)},
			code: fault.AccessDenied,
		},
		"NoUpdate": {
			reason: "as above", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, template: losing, errs: map[string]error{"UpdateStack": apiError("ValidationError", "No updates are to be performed.")}},
			calls: []string{"UpdateStack"}, code: fault.Failed,
		},
		"LostAnswer": {
			reason: "the stack was told, and the answer lost", calls: []string{"UpdateStack", "DeleteStack"}, change: environment.Deleted,
			cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE"), nil}, template: losing, takes: true, errs: map[string]error{"UpdateStack": apiError("ValidationError", "No updates are to be performed.")}},
		},
		"NoJSON": {
			reason: "as above: somebody has given the stack another template", cloud: cloud{looks: []*types.Stack{live("CREATE_COMPLETE")}, template: "Resources: {}"},
			code: fault.Failed,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := removal()
			r.Retain = []string{"Table", "Key", "Other"}
			change, err := tc.cloud.engine(t).Delete(t.Context(), r)
			if code := fault.CodeOf(err); code != tc.code || change != tc.change {
				t.Errorf("%s: got %q, %q (%v), want %q, %q", tc.reason, change, code, err, tc.change, tc.code)
			}
			if diff := cmp.Diff(tc.calls, tc.cloud.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", tc.reason, diff)
			}
			if tc.code == fault.Failed && fault.As(err).Next == "" {
				t.Errorf("%s: %v does not say what to do", tc.reason, err)
			}
		})
	}
}

func sameDocument(t *testing.T, want, got string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(a, b)
}
