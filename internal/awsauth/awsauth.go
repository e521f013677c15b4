// Package awsauth merges roles into the mapRoles text of the kube-system/aws-auth ConfigMap.
//
// EKS, application pipelines and people write to that ConfigMap too, so entries are added or
// corrected and never removed (aws-traps.md, row 5.7). The package must not know how the
// ConfigMap is read or written.
package awsauth

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"
)

// Role maps an IAM role to a Kubernetes user and groups.
type Role struct {
	// ARN must have no path: aws-auth does not match role/path/name (aws-traps.md, row 1.40).
	ARN      string   `json:"rolearn"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// Merge returns existing, the text of mapRoles as JSON or YAML, with every wanted role in it, and
// whether that made a difference. Where it made none, existing comes back as it was, byte by byte.
// The result is a JSON array, because Harmonix' pipelines append to it by cutting off its last
// bracket (harmonix-contract.md, section 4.5, row 7). It returns an error if existing is no list.
func Merge(existing string, wanted ...Role) (merged string, changed bool, err error) {
	// Entries are kept as generic objects: a field that we do not know must survive.
	var entries []map[string]any
	if err := yaml.Unmarshal([]byte(existing), &entries); err != nil {
		return "", false, fmt.Errorf("read mapRoles: %w", err)
	}
	for _, role := range wanted {
		at := slices.IndexFunc(entries, func(e map[string]any) bool { return e["rolearn"] == role.ARN })
		if at < 0 {
			entries = append(entries, map[string]any{"rolearn": role.ARN})
			at = len(entries) - 1
		}
		if same(entries[at], role) {
			continue
		}
		entries[at]["username"] = role.Username
		entries[at]["groups"] = role.groups()
		changed = true
	}
	if !changed {
		return existing, false, nil
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return "", false, fmt.Errorf("write mapRoles: %w", err)
	}
	return string(text), true, nil
}

func (r Role) groups() []any {
	groups := make([]any, len(r.Groups))
	for i, g := range r.Groups {
		groups[i] = g
	}
	return groups
}

func same(entry map[string]any, role Role) bool {
	groups, _ := entry["groups"].([]any)
	return entry["username"] == role.Username && slices.Equal(groups, role.groups())
}

var path = regexp.MustCompile(`:role/.*/`)

// WithoutPath returns the spelling of a role's ARN that aws-auth matches: without the path.
func WithoutPath(roleARN string) string { return path.ReplaceAllString(roleARN, ":role/") }
