package kubectl

import (
	"strings"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// Roles are the patterns of the role ARNs that a caller may have the function assume. A star stands
// for any characters. With no pattern the function acts as itself alone; the pattern of one star
// leaves the decision to IAM.
//
// The list exists because whoever may invoke the function names the role in the request, and so
// acts in the cluster as any role that the function can assume.
type Roles []string

// ParseRoles reads a comma-separated list of patterns.
func ParseRoles(list string) Roles {
	var roles Roles
	for _, pattern := range strings.Split(list, ",") {
		if pattern = strings.TrimSpace(pattern); pattern != "" {
			roles = append(roles, pattern)
		}
	}
	return roles
}

// Check returns nil when role may be assumed. The empty role is the function's own.
func (r Roles) Check(role string) error {
	if role == "" {
		return nil
	}
	for _, pattern := range r {
		if matches(pattern, role) {
			return nil
		}
	}
	return fault.New(fault.AccessDenied, "this function may not assume role %s on a caller's behalf", role).
		WithField("/ResourceProperties/RoleArn").
		WithNext("Add the role's ARN or a pattern of it to assumableRoles in the environment's request and apply it again.")
}

// matches reports whether text has the form of pattern.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}
