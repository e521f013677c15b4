package client_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
)

// planned is a plan whose stacks of cluster and kubectl function would become so.
func planned(cluster, kubectl environment.Change) environment.State {
	return environment.State{
		Request: environment.Request{Operation: "plan"}, Identity: &environment.Identity{},
		Cluster: &environment.Cluster{Progress: environment.Progress{Change: cluster}},
		Kubectl: &environment.Kubectl{Progress: environment.Progress{Change: kubectl}},
	}
}

// nobody is a configuration whose function cannot be called.
var nobody = aws.Config{Region: "us-east-1"}

func TestPlanWithoutCluster(t *testing.T) {
	const note = "the cluster cannot be looked into: its stack is being changed, or there is no kubectl function to ask"
	made := environment.Progress{Change: "created", Plan: &environment.Plan{Changes: []environment.PlannedChange{
		{Action: "added", Type: "ConfigMap", Name: "n/a"}, {Action: "added", Type: "Namespace", Name: "n"},
		{Action: "added", Type: "Helm release", Name: "n/r", Details: []string{"chart c 1.0"}},
	}}}
	unseen := environment.Progress{Change: "unknown", Plan: &environment.Plan{Notes: []string{note}}}
	cases := map[string]struct {
		reason string
		state  environment.State
		want   environment.Progress
	}{
		"New":      {"everything would be made", planned("created", "created"), made},
		"Moving":   {"what a moving cluster holds is not known", planned("unknown", "unchanged"), unseen},
		"Function": {"nobody is there to ask", planned("unchanged", "created"), unseen},
		"Replaced": {"the function is being changed", planned("unchanged", "unknown"), unseen},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := client.Of(nobody, tc.state)
			items, err := c.List(t.Context(), "configmaps", "n", nil)
			if err != nil || len(items) > 0 {
				t.Errorf("%s: List: %v, %v", tc.reason, items, err)
			}
			changes, err := c.Create(t.Context(), client.Object{"kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "n"}})
			if err != nil {
				t.Fatal(err)
			}
			applied, err := c.Apply(t.Context(), client.Object{"kind": "Namespace", "metadata": map[string]any{"name": "n"}})
			if err != nil {
				t.Fatal(err)
			}
			installed, err := c.Install(t.Context(), client.Chart{Release: "r", Namespace: "n", Name: "c", Version: "1.0"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, c.Progress(append(append(changes, applied...), installed...))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// What a plan must not ask for is refused before anybody is asked.
func TestPlanPatchesNothing(t *testing.T) {
	err := client.Of(nobody, planned("unchanged", "unchanged")).Patch(t.Context(), "n", "deployment/a", nil)
	if fault.CodeOf(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
}

func TestProgress(t *testing.T) {
	changes := []client.Change{
		{Object: "ConfigMap n/a", Change: "unchanged"}, {Object: "Namespace n", Change: "created"},
		{Object: "Deployment n/d", Change: "updated", Details: []string{"spec.replicas"}},
	}
	want := environment.Progress{Change: "updated", Plan: &environment.Plan{Changes: []environment.PlannedChange{
		{Action: "added", Type: "Namespace", Name: "n"}, {Action: "modified", Type: "Deployment", Name: "n/d", Details: []string{"spec.replicas"}},
	}}}
	if diff := cmp.Diff(want, client.Of(nobody, planned("updated", "unchanged")).Progress(changes)); diff != "" {
		t.Errorf("a plan (-want +got):\n%s", diff)
	}
	apply := planned("unchanged", "unchanged")
	apply.Request.Operation = "apply"
	if diff := cmp.Diff(environment.Progress{Change: "updated"}, client.Of(nobody, apply).Progress(changes)); diff != "" {
		t.Errorf("an apply (-want +got):\n%s", diff)
	}
}

// endpoint is Lambda's endpoint; it keeps what it is sent.
type endpoint struct{ sent []byte }

func (e *endpoint) Do(r *http.Request) (*http.Response, error) {
	var err error
	if e.sent, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	answer := `{"Data":{"Value":"[{\"object\":\"Namespace n\",\"change\":\"updated\",\"details\":[\"metadata.labels.a\"]}]"}}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// The request's type says that it is a plan: a function that does not know it refuses it.
func TestPlanAsksTheFunction(t *testing.T) {
	function := &endpoint{}
	cfg := aws.Config{Region: "us-east-1", HTTPClient: function, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	got, err := client.Of(cfg, planned("unchanged", "updated")).Apply(t.Context(), client.Object{"kind": "Namespace"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.Change{{Object: "Namespace n", Change: "updated", Details: []string{"metadata.labels.a"}}}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var sent struct{ RequestType, ResourceType string }
	if err := json.Unmarshal(function.sent, &sent); err != nil || sent.RequestType != "Plan" || sent.ResourceType != "Custom::AWSCDK-EKS-KubernetesResource" {
		t.Errorf("sent %s (%v)", function.sent, err)
	}
}
