package client_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

func deployment(t *testing.T, text string) client.Deployment {
	t.Helper()
	var d client.Deployment
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The conditions are those of `kubectl rollout status`.
func TestRolledOut(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   bool
	}{
		"Ready":      {"all replicas are new and available", `{"metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":2,"replicas":2,"updatedReplicas":2,"availableReplicas":2}}`, true},
		"Default":    {"absent replicas are one", `{"spec":{},"status":{"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`, true},
		"None":       {"none are wanted", `{"spec":{"replicas":0},"status":{}}`, true},
		"Unobserved": {"the status is of the template before", `{"metadata":{"generation":3},"spec":{"replicas":1},"status":{"observedGeneration":2,"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`, false},
		"Few":        {"a replica is not new yet", `{"spec":{"replicas":2},"status":{"replicas":2,"updatedReplicas":1,"availableReplicas":2}}`, false},
		"Old":        {"an old replica still runs", `{"spec":{"replicas":1},"status":{"replicas":2,"updatedReplicas":1,"availableReplicas":2}}`, false},
		"Pending":    {"a replica is not available", `{"spec":{"replicas":2},"status":{"replicas":2,"updatedReplicas":2,"availableReplicas":1}}`, false},
		"New":        {"nothing has happened yet", `{"spec":{"replicas":1},"status":{}}`, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := deployment(t, tc.text).RolledOut(); got != tc.want {
				t.Errorf("%s: got %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestChangedSince(t *testing.T) {
	entered := time.Date(2026, 11, 22, 14, 0, 0, int(700*time.Millisecond), time.UTC)
	cases := map[string]struct {
		reason string
		text   string
		want   environment.Change
	}{
		"Created":    {"it is younger than the stage, in whole seconds", `{"metadata":{"creationTimestamp":"2026-11-22T14:00:00Z"}}`, environment.Created},
		"Updated":    {"its rollout moved on since", `{"metadata":{"creationTimestamp":"2026-11-22T13:00:00Z"},"status":{"conditions":[{"type":"Progressing","lastUpdateTime":"2026-11-22T14:00:30Z"}]}}`, environment.Updated},
		"Unchanged":  {"its last rollout was before", `{"metadata":{"creationTimestamp":"2026-11-22T13:00:00Z"},"status":{"conditions":[{"type":"Progressing","lastUpdateTime":"2026-11-22T13:01:00Z"}]}}`, environment.Unchanged},
		"Restarted":  {"that a pod came back is no change of it", `{"metadata":{"creationTimestamp":"2026-11-22T13:00:00Z"},"status":{"conditions":[{"type":"Available","lastUpdateTime":"2026-11-22T14:00:30Z"}]}}`, environment.Unchanged},
		"NoRollouts": {"it has none yet", `{"metadata":{"creationTimestamp":"2026-11-22T13:00:00Z"}}`, environment.Unchanged},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := deployment(t, tc.text).ChangedSince(entered); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
}
