package verify

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/client"
	"github.com/harmonix-eks/environment-provider/internal/stack"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const (
	// probeNamespace is the one namespace that a request's selectors must take with all of its pods.
	probeNamespace = "kube-system"
	probeName      = "eks-environment-probe"
	// probePatience bounds the wait for the probe: Fargate takes a minute or two to start a pod.
	probePatience = 5 * time.Minute
	// deletePatience bounds the wait for the probe to be gone; its deletion goes on after that.
	deletePatience = 20 * time.Second
)

type describer interface {
	Describe(ctx context.Context, name string) (stack.Description, bool, error)
}

// worthProbing reports whether this execution, or one before it that did not come this far, has made
// or changed anything. The same request again must not write.
func worthProbing(ctx context.Context, stacks describer, s environment.State) (bool, error) {
	for _, earlier := range s.Stages() {
		if earlier.Progress != nil && earlier.Progress.Change != environment.Unchanged {
			return true, nil
		}
	}
	live, found, err := stacks.Describe(ctx, s.Names.ProviderStack)
	return err == nil && !(found && live.Kept()), err
}

// prober is a probe under way.
type prober struct {
	cluster cluster
	object  client.Object
	entered time.Time
	// pod is the probe as it was seen last.
	pod client.Pod
	ran bool
	// refusal is why the cluster takes no pod.
	refusal error
}

// probe starts a pod, waits until it has run, and deletes it again. What keeps the pod from running
// becomes a finding. It returns the pod's node, which on Fargate goes with it.
func probe(ctx context.Context, c cluster, in stage.Input, v *environment.Verification) (node string, err error) {
	dns, found, err := c.Deployment(ctx, "kube-system", "coredns")
	if err != nil || !found || len(dns.Spec.Template.Spec.Containers) == 0 {
		// Without CoreDNS there is no image; that it is missing is a finding of its own.
		return "", err
	}
	p := &prober{cluster: c, entered: in.Entered, object: probePod(dns.Spec.Template.Spec.Containers[0].Image, in.State.Request.Tolerations())}
	if err := stage.Poll(ctx, p.look); err != nil {
		return "", err
	}
	if !p.ran {
		find(v, "ProbeNotRun", "start a pod in "+probeNamespace+" by hand and look at its events: a new pod may get no node, no address or no image",
			"a probe pod in namespace %s has not run: %s", probeNamespace, p.obstacle())
	}
	if reason, off := strings.CutPrefix(p.pod.Metadata.Annotations["Logging"], "LoggingDisabled"); off {
		find(v, "LoggingDisabled", "start the same request again, which puts ConfigMap aws-observability/aws-logging back; then start the pods anew",
			"Fargate ships no logs of new pods: %s", strings.TrimLeft(reason, ": "))
	}
	if err := p.remove(ctx); err != nil {
		find(v, "ProbeLeft", fmt.Sprintf("look whether pod %s/%s is gone, and delete it if it is not", probeNamespace, probeName),
			"the probe pod was not seen to go: %s", fault.As(err).Message)
	}
	return p.pod.Spec.NodeName, nil
}

// look takes the probe one step on, and answers [fault.InProgress] until it has come to an end.
func (p *prober) look(ctx context.Context) error {
	pod, exists, err := p.cluster.Pod(ctx, probeNamespace, probeName)
	if err != nil {
		return err
	}
	p.pod = pod
	own := exists && !left(pod, p.entered)
	p.ran = own && (pod.Ready() || pod.Status.Phase == "Succeeded")
	switch {
	case p.ran, own && pod.Status.Phase == "Failed", time.Since(p.entered) > probePatience:
		return nil
	case !exists:
		_, err = p.cluster.Create(ctx, p.object)
		switch code := fault.CodeOf(err); {
		case err == nil, code == fault.Conflict:
			// A former attempt's call may have made it.
		case code.Retried():
			return err
		default:
			p.refusal = err
			return nil
		}
	case !own && pod.Metadata.DeletionTimestamp == nil:
		if err := p.remove(ctx); err != nil {
			return err
		}
	}
	return fault.New(fault.InProgress, "the probe pod %s/%s has not run yet", probeNamespace, probeName)
}

// remove deletes the probe and waits a little until it is gone.
func (p *prober) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deletePatience)
	defer cancel()
	return p.cluster.Delete(ctx, p.object)
}

// left reports whether the pod is an earlier execution's, or on its way out.
func left(pod client.Pod, entered time.Time) bool {
	// The API server counts in whole seconds.
	return pod.Metadata.DeletionTimestamp != nil || pod.Metadata.CreationTimestamp.Before(entered.Truncate(time.Second))
}

// obstacle is why the probe has not run, as far as anybody says.
func (p *prober) obstacle() string {
	if p.refusal != nil {
		return fault.As(p.refusal).Message
	}
	for _, container := range p.pod.Status.Containers {
		for _, halt := range []*client.Halt{container.State.Waiting, container.State.Terminated} {
			if halt != nil {
				return strings.TrimSuffix(halt.Reason+": "+halt.Message, ": ")
			}
		}
	}
	for _, c := range p.pod.Status.Conditions {
		if c.Status != "True" && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + cmp.Or(p.pod.Status.Phase, "gone")
}

// probePod is CoreDNS' own image, which the cluster has pulled already and in the right architecture.
// It prints its version and ends. The image's program has the file capability NET_BIND_SERVICE and
// cannot be started where that is dropped, so the security context is that of CoreDNS.
func probePod(image string, tolerations []environment.Toleration) client.Object {
	return client.Object{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata": map[string]any{
			"name": probeName, "namespace": probeNamespace, "labels": map[string]any{"app.kubernetes.io/name": probeName},
		},
		"spec": map[string]any{
			"restartPolicy":                 "Never",
			"terminationGracePeriodSeconds": 1,
			"automountServiceAccountToken":  false,
			"enableServiceLinks":            false,
			"tolerations":                   append([]environment.Toleration{}, tolerations...),
			"containers": []any{map[string]any{
				"name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "args": []any{"-version"},
				"resources": map[string]any{
					"requests": map[string]any{"cpu": "10m", "memory": "32Mi"}, "limits": map[string]any{"memory": "64Mi"},
				},
				"securityContext": map[string]any{
					"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": map[string]any{"add": []any{"NET_BIND_SERVICE"}, "drop": []any{"ALL"}},
				},
			}},
		},
	}
}
