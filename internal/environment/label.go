package environment

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The effects of a taint, as EKS spells them.
const (
	TaintNoSchedule       = "NO_SCHEDULE"
	TaintPreferNoSchedule = "PREFER_NO_SCHEDULE"
	TaintNoExecute        = "NO_EXECUTE"
)

// Taint keeps pods off the nodes that do not tolerate it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Toleration lets a pod run on nodes with a taint, in Kubernetes' own form.
type Toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
	// Seconds is for how long, where a taint drives out; nil is for ever.
	Seconds *int64 `json:"tolerationSeconds,omitempty"`
}

// Tolerations are what a pod needs to run on r's nodes. A taint that only prefers other nodes needs none:
// there are no others.
func (r Request) Tolerations() []Toleration {
	effects := map[string]string{TaintNoSchedule: "NoSchedule", TaintNoExecute: "NoExecute"}
	var all []Toleration
	for _, t := range r.NodeTaints {
		if effect, hard := effects[t.Effect]; hard {
			all = append(all, Toleration{Key: t.Key, Operator: "Equal", Value: t.Value, Effect: effect})
		}
	}
	return all
}

// NodeUpdate says how many nodes may be missing while the node group is updated: a number, or a
// percentage of the nodes.
type NodeUpdate struct {
	MaxUnavailable           int `json:"maxUnavailable,omitempty"`
	MaxUnavailablePercentage int `json:"maxUnavailablePercentage,omitempty"`
}

// FargateSelector names pods that run on Fargate: those of a namespace, which may have the wildcards *
// and ?, that have all of the labels.
type FargateSelector struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// takes reports whether the selector takes every pod of the namespace.
func (s FargateSelector) takes(namespace string) bool {
	// A namespace has nothing of what else path.Match knows.
	matches, err := path.Match(s.Namespace, namespace)
	return err == nil && matches && len(s.Labels) == 0
}

// Kubernetes' form of labels (kubernetes.io/docs/concepts/overview/working-with-objects/labels).
// EKS takes 63 characters for a node's whole key, and no empty value.
var (
	labelName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

const maxNodeKey = 63

// keyOf says what is wrong with the key of a node's label or taint, "" if nothing is.
func keyOf(key string) string {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		prefix, name = "", key
	}
	switch {
	case !labelName.MatchString(name) || found && !labelPrefix.MatchString(prefix) || len(key) > maxNodeKey:
		return fmt.Sprintf("letters, digits and _.- in the name, before it a domain and a slash if wanted, %d characters in all", maxNodeKey)
	case ofDomain(prefix, "eks.amazonaws.com"):
		return "keys of other domains than eks.amazonaws.com, which EKS reserves"
	case ofDomain(prefix, "kubernetes.io") || ofDomain(prefix, "k8s.io"):
		// The kubelet does not start with another one: kubernetes.io/docs/reference/access-authn-authz/admission-controllers, NodeRestriction.
		if !ofDomain(prefix, "node.kubernetes.io") && !ofDomain(prefix, "kubelet.kubernetes.io") {
			return "of the domains kubernetes.io and k8s.io only node.kubernetes.io and kubelet.kubernetes.io: a node may not give itself others"
		}
	}
	return ""
}

// ofDomain reports whether a key's prefix is the domain or below it.
func ofDomain(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// nodeLabels checks the labels of the nodes.
func nodeLabels(doc document) []Violation {
	labels, _ := doc["nodeLabels"].(map[string]any)
	var all []Violation
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		v := Violation{Pointer: pointerTo("nodeLabels", key), Given: "the key " + quote(shorten(key, maxGiven)), Allowed: keyOf(key)}
		value, ok := labels[key].(string)
		if v.Allowed == "" && ok && !labelName.MatchString(value) {
			v.Given, v.Allowed = given("", value), "1 to 63 letters, digits and _.-, a letter or digit first and last"
		}
		if v.Allowed != "" {
			all = append(all, v)
		}
	}
	return all
}

// nodeTaints checks the taints of the nodes: two with one key and one effect are the same taint.
func nodeTaints(doc document) []Violation {
	list, _ := doc["nodeTaints"].([]any)
	var all []Violation
	seen := map[string]bool{}
	for i, entry := range list {
		taint, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		at := func(field string) string { return fmt.Sprintf("/nodeTaints/%d/%s", i, field) }
		key, _ := taint["key"].(string)
		effect, _ := taint["effect"].(string)
		if wrong := keyOf(key); key != "" && wrong != "" {
			all = append(all, Violation{Pointer: at("key"), Given: given("", key), Allowed: wrong})
		}
		if value, _ := taint["value"].(string); value != "" && !labelName.MatchString(value) {
			all = append(all, Violation{Pointer: at("value"), Given: given("", value), Allowed: "nothing, or up to 63 letters, digits and _.-, a letter or digit first and last"})
		}
		effects := []string{TaintNoSchedule, TaintPreferNoSchedule, TaintNoExecute}
		if taint["effect"] != nil && !slices.Contains(effects, effect) {
			v := Violation{Pointer: at("effect"), Given: given("", taint["effect"]), Allowed: "one of " + quoteAll(effects)}
			for _, e := range effects {
				if strings.EqualFold(strings.ReplaceAll(e, "_", ""), effect) { // as Kubernetes spells it
					v.Hint = "did you mean " + quote(e) + "?"
				}
			}
			all = append(all, v)
		}
		if seen[key+":"+effect] {
			all = append(all, Violation{Pointer: fmt.Sprintf("/nodeTaints/%d", i), Given: "a second taint with the key " + quote(shorten(key, maxGiven)) + " and the effect " + effect, Allowed: "one for each key and effect"})
		}
		seen[key+":"+effect] = true
	}
	return all
}

// nodeUpdate checks that one of the two ways to say it is used.
func nodeUpdate(doc document) []Violation {
	update, _ := doc["nodeUpdate"].(map[string]any)
	if update["maxUnavailable"] == nil || update["maxUnavailablePercentage"] == nil {
		return nil
	}
	return []Violation{{
		Pointer: "/nodeUpdate", Given: "maxUnavailable and maxUnavailablePercentage",
		Allowed: "one of the two, because EKS takes a number of nodes or a percentage",
	}}
}

// fargateSelectors checks that the pods which every environment has find a place.
func fargateSelectors(doc document) []Violation {
	list, ok := doc["fargateSelectors"].([]any)
	if !ok || doc["nodeType"] != NodeTypeFargate {
		return nil
	}
	system := false
	var all []Violation
	for i, entry := range list {
		selector, _ := entry.(map[string]any)
		namespace, _ := selector["namespace"].(string)
		labels, _ := selector["labels"].(map[string]any)
		s := FargateSelector{Namespace: namespace}
		system = system || len(labels) == 0 && s.takes("kube-system")
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			value, isText := labels[key].(string)
			if isText && !selectable(key, value) {
				all = append(all, Violation{
					Pointer: fmt.Sprintf("/fargateSelectors/%d", i) + pointerTo("labels", key), Given: "the label " + quote(shorten(key+"="+value, maxGiven)),
					Allowed: fmt.Sprintf("a key of at most %d characters and a value, both as a pod can have them; both may have the wildcards * and ?", maxSelectorKey),
				})
			}
		}
	}
	if !system && len(list) > 0 {
		all = append(all, Violation{
			Pointer: "/fargateSelectors", Given: "no selector that takes every pod of kube-system",
			Allowed: "a list with one: CoreDNS and the load balancer controller have nowhere else to run",
			Hint:    `add {"namespace": "kube-system"}`,
		})
	}
	return all
}

// maxSelectorKey is how many characters CloudFormation takes for the key of a selector's label; it takes no
// empty value (AWS::EKS::FargateProfile Label).
const maxSelectorKey = 127

// selectable reports whether a pod can have the label, with any characters for wildcards.
func selectable(key, value string) bool {
	plain := strings.NewReplacer("*", "a", "?", "a")
	prefix, name, found := strings.Cut(plain.Replace(key), "/")
	if !found {
		prefix, name = "a", prefix
	}
	return len(key) <= maxSelectorKey && labelName.MatchString(name) && labelPrefix.MatchString(prefix) && labelName.MatchString(plain.Replace(value))
}
