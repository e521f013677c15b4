package verify

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var _ describer = (*stack.Engine)(nil)

func TestProbe(t *testing.T) {
	const ready = `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`
	cases := map[string]struct {
		reason  string
		cluster fakeCluster
		// waited is how long ago the stage was entered.
		waited   time.Duration
		code     fault.Code
		findings []string
		written  []string
	}{
		"Ran":   {"its program has ended", fakeCluster{status: `{"status":{"phase":"Succeeded"}}`}, 0, "", []string{}, []string{"create", "delete"}},
		"Ready": {"a program that goes on is as good", fakeCluster{status: ready}, 0, "", []string{}, []string{"create", "delete"}},
		"Waits": {"the state machine calls again", fakeCluster{status: `{"status":{"phase":"Pending"}}`}, 0, "InProgress", nil, []string{"create"}},
		"Late": {
			"patience ends with a finding and no pod", fakeCluster{status: `{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/2 nodes are available"}]}}`},
			5*time.Minute - 10*time.Second, "", []string{"ProbeNotRun: a probe pod in namespace kube-system has not run: 0/2 nodes are available"}, []string{"create", "delete"},
		},
		"Failed": {
			"a failure is not waited for", fakeCluster{status: `{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"StartError","message":"operation not permitted"}}}]}}`},
			0, "", []string{"ProbeNotRun: a probe pod in namespace kube-system has not run: StartError: operation not permitted"}, []string{"create", "delete"},
		},
		"Refused": {
			"a policy that takes no pod of ours is no failure of the environment", fakeCluster{createErr: fault.New(fault.AccessDenied, "denied by a webhook")},
			0, "", []string{"ProbeNotRun: a probe pod in namespace kube-system has not run: denied by a webhook"}, []string{"create", "delete"},
		},
		"Transient": {"what time cures is tried again", fakeCluster{createErr: fault.New(fault.Transient, "m")}, 0, "Transient", nil, []string{"create"}},
		"Left": {
			"an earlier execution's pod proves nothing now", fakeCluster{status: ready, pod: client.Object{
				"metadata": map[string]any{"creationTimestamp": "1999-01-01T00:00:00Z"}, "status": map[string]any{"phase": "Succeeded"},
			}},
			0, "", []string{}, []string{"delete", "create", "delete"},
		},
		"NoLogs": {
			"Fargate says at the pod that it ships no logs", fakeCluster{status: `{"metadata":{"annotations":{"Logging":"LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND"}},"status":{"phase":"Succeeded"}}`},
			0, "", []string{"LoggingDisabled: Fargate ships no logs of new pods: LOGGING_CONFIGMAP_NOT_FOUND"}, []string{"create", "delete"},
		},
		"Stays": {
			"a pod that does not go is no failure", fakeCluster{status: ready, deleteErr: fault.New(fault.Transient, "m")},
			0, "", []string{"ProbeLeft: the probe pod was not seen to go: m"}, []string{"create", "delete"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := healthy(map[string]string{"nodes default": "[" + nodeText("fargate-probe", "False") + "]"})
				c.status, c.createErr, c.deleteErr, c.pod = tc.cluster.status, tc.cluster.createErr, tc.cluster.deleteErr, tc.cluster.pod
				in := input(environment.NodeTypeFargate, 0)
				in.Entered = in.Entered.Add(-tc.waited)
				got, err := look(t.Context(), c, in, true)
				if fault.CodeOf(err) != tc.code {
					t.Fatalf("%s: %v", tc.reason, err)
				}
				if diff := cmp.Diff(tc.written, c.written); diff != "" {
					t.Errorf("%s: written (-want +got):\n%s", tc.reason, diff)
				}
				if err != nil {
					return
				}
				findings := found(t, got)
				if tc.cluster.createErr != nil {
					findings = findings[:1] // the node is no probe's
				} else if len(got.Nodes) != 0 {
					t.Errorf("%s: the probe's own node is about to go, and no result: %v", tc.reason, got.Nodes)
				}
				if diff := cmp.Diff(tc.findings, findings); diff != "" {
					t.Errorf("%s: findings (-want +got):\n%s", tc.reason, diff)
				}
			})
		})
	}
}

func TestProbeToleratesTaints(t *testing.T) {
	taint := environment.Toleration{Key: "dedicated", Operator: "Equal", Value: "batch", Effect: "NoSchedule"}
	text, err := json.Marshal(probePod("coredns:1", []environment.Toleration{taint}))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Spec struct {
			RestartPolicy string
			Tolerations   []environment.Toleration
			Containers    []struct {
				Image string
				Args  []string
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]environment.Toleration{taint}, got.Spec.Tolerations); diff != "" {
		t.Errorf("tolerations (-want +got):\n%s", diff)
	}
	if c := got.Spec.Containers[0]; got.Spec.RestartPolicy != "Never" || c.Image != "coredns:1" || len(c.Args) != 1 || c.Args[0] != "-version" {
		t.Errorf("CoreDNS' image prints its version and ends: %+v", got)
	}
}

// stacks has one stack or none.
type stacks struct {
	status types.StackStatus
	err    error
}

func (s stacks) Describe(context.Context, string) (stack.Description, bool, error) {
	return stack.Description{Status: s.status}, s.status != "", s.err
}

func TestWorthProbing(t *testing.T) {
	cases := map[string]struct {
		reason string
		change environment.Change
		stacks stacks
		want   bool
	}{
		"Changed":   {"something is new", environment.Updated, stacks{status: types.StackStatusCreateComplete}, true},
		"Again":     {"the same request again must not write", environment.Unchanged, stacks{status: types.StackStatusUpdateComplete}, false},
		"CutOff":    {"an execution before did not come this far", environment.Unchanged, stacks{}, true},
		"HalfMade":  {"nor did one whose last stack failed", environment.Unchanged, stacks{status: types.StackStatusRollbackComplete}, true},
		"NoAnswer":  {"the fault is the stage's", environment.Unchanged, stacks{err: fault.New(fault.Throttled, "m")}, false},
		"Unchanged": {"an update that was rolled back left the old one", environment.Unchanged, stacks{status: types.StackStatusUpdateRollbackComplete}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := environment.State{Capacity: &environment.Capacity{Progress: environment.Progress{Change: tc.change}}}
			got, err := worthProbing(t.Context(), tc.stacks, s)
			if got != tc.want || !errors.Is(err, tc.stacks.err) {
				t.Errorf("%s: %t, %v", tc.reason, got, err)
			}
		})
	}
}
