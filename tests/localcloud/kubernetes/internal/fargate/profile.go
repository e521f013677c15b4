// Package fargate schedules pods that match a Fargate profile, each onto a node of its own.
//
// Its rules are those of https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html. It is
// told the profiles by a file and knows nothing of how they are made.
package fargate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ProfileLabel names the profile that took a pod; a pod may name one itself.
	ProfileLabel = "eks.amazonaws.com/fargate-profile"
	// ComputeType is the annotation that keeps a pod off Fargate with the value "ec2", and the label
	// and taint of Fargate's nodes with the value "fargate".
	ComputeType = "eks.amazonaws.com/compute-type"
	// SchedulerName is the scheduler of pods on Fargate.
	SchedulerName = "fargate-scheduler"
)

// Profile is a profile that is ACTIVE.
type Profile struct {
	// Name is its name.
	Name string `json:"name"`
	// Selectors select the pods: one that matches is enough.
	Selectors []Selector `json:"selectors"`
	// Subnets are where the profile's nodes get their addresses.
	Subnets []Subnet `json:"subnets"`
}

// Selector selects pods by namespace and labels; both may hold the wildcards * and ?.
type Selector struct {
	// Namespace of the pod.
	Namespace string `json:"namespace"`
	// Labels that the pod has all of.
	Labels map[string]string `json:"labels"`
}

// Subnet is a subnet of a profile.
type Subnet struct {
	// CIDR is its range of addresses.
	CIDR string `json:"cidr"`
	// Zone is its availability zone.
	Zone string `json:"zone"`
}

// File is the path of a JSON file with a list of profiles. It is read whenever a pod is created, so a
// profile counts as soon as it is written.
type File string

// Profiles returns the profiles in alphabetical order of their names, none when there is no file.
func (f File) Profiles() ([]Profile, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Fargate profiles: %w", err)
	}
	var profiles []Profile
	if err := json.Unmarshal(data, &profiles); err != nil {
		return nil, fmt.Errorf("decode Fargate profiles in %s: %w", f, err)
	}
	slices.SortFunc(profiles, func(a, b Profile) int { return strings.Compare(a.Name, b.Name) })
	return profiles, nil
}

// Match returns the profile that takes a new pod, nil if none does. Of several it is the one that the
// pod names, else the first.
func Match(profiles []Profile, namespace string, pod *corev1.Pod) *Profile {
	if pod.Annotations[ComputeType] == "ec2" || pod.Spec.NodeName != "" {
		return nil
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
		return nil // DaemonSets belong to machines
	}
	wanted := pod.Labels[ProfileLabel]
	for i, profile := range profiles {
		if wanted != "" && wanted != profile.Name {
			continue
		}
		for _, selector := range profile.Selectors {
			if selector.selects(namespace, pod.Labels) {
				return &profiles[i]
			}
		}
	}
	return nil
}

func (s Selector) selects(namespace string, labels map[string]string) bool {
	if !matches(s.Namespace, namespace) {
		return false
	}
	for key, value := range s.Labels {
		found := false
		for k, v := range labels {
			found = found || matches(key, k) && matches(value, v)
		}
		if !found {
			return false
		}
	}
	return true
}

// matches compares with the wildcards * for any number of characters and ? for one.
func matches(pattern, text string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	expression, err := regexp.Compile("^" + quoted + "$")
	return err == nil && expression.MatchString(text)
}
