package kube_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

// TestLivePlan holds a plan against what the apply then does, on a real API server.
func TestLivePlan(t *testing.T) {
	server := kubetest.Start(t)
	client, err := kube.NewClient(server.Config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := strings.ReplaceAll(deployment, "NAME", "web")
	apply(t, client, kube.Created, web)
	twice := strings.Replace(strings.ReplaceAll(deployment, "NAME", "twice"), `env: [{name: EMPTY, value: ""}]`, `env: [{name: TWICE, value: a}, {name: TWICE, value: b}]`, 1)
	cases := []struct {
		reason, text string
		want         kube.Planned
		apply        bool
	}{
		{"as it is", web, kube.Planned{Object: "Deployment default/web", Change: kube.Unchanged}, true},
		{"a field changes", strings.Replace(web, "replicas: 0", "replicas: 1", 1), kube.Planned{Object: "Deployment default/web", Change: kube.Updated, Details: []string{"spec.replicas"}}, true},
		{"a field goes, which is a field with its default", strings.Replace(strings.Replace(web, "replicas: 0", "replicas: 1", 1), "  minReadySeconds: 5\n", "", 1), kube.Planned{Object: "Deployment default/web", Change: kube.Updated, Details: []string{"spec.minReadySeconds"}}, true},
		{"a new object with a variable twice, which server-side apply refuses", twice, kube.Planned{Object: "Deployment default/twice", Change: kube.Created}, true},
		{"as it is, twice", twice, kube.Planned{Object: "Deployment default/twice", Change: kube.Unchanged}, true},
		{"a field changes beside the variable", strings.Replace(twice, "replicas: 0", "replicas: 1", 1), kube.Planned{Object: "Deployment default/twice", Change: kube.Updated, Details: []string{"spec.replicas"}}, true},
		{"a new object", strings.ReplaceAll(deployment, "NAME", "other"), kube.Planned{Object: "Deployment default/other", Change: kube.Created}, true},
		{"its namespace comes with the same manifest", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: later}}", kube.Planned{Object: "ConfigMap later/a", Change: kube.Created}, false},
		{"its kind comes with a chart", "{apiVersion: example.com/v1, kind: Gadget, metadata: {name: a}}", kube.Planned{Object: "Gadget a", Change: kube.Created}, false},
	}
	for _, tc := range cases {
		rehearsed := server.DryRuns(t)
		got, err := client.Plan(t.Context(), object(t, tc.text), kube.WriteOptions{})
		if err != nil {
			t.Fatalf("%s: %s", tc.reason, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
		if tc.want.Change == kube.Unchanged && server.DryRuns(t) > rehearsed {
			t.Errorf("%s: not even a dry run is needed", tc.reason)
		}
		if tc.apply {
			apply(t, client, tc.want.Change, tc.text)
		}
	}
	if _, err := client.Plan(t.Context(), object(t, strings.ReplaceAll(web, "containerPort: 80", "containerPort: -1")), kube.WriteOptions{}); err == nil {
		t.Error("what the API server refuses is planned")
	}
}
