// Package trust reads the trust policies of IAM roles: whether a role lets another one assume it. It
// decides what it can from the policy alone and says so where it cannot. It must not call AWS.
//
// The rules are those of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
package trust

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Verdict is what a trust policy means for a role that wants to assume.
type Verdict string

const (
	// Allows means that the policy lets the role assume.
	Allows Verdict = "allows"
	// Refuses means that it does not.
	Refuses Verdict = "refuses"
	// Unclear means that it depends on what the policy does not tell, such as the caller's organization.
	Unclear Verdict = "unclear"
)

// Role is who wants to assume: a role without session tags, by the plain call without an external id.
type Role struct {
	ARN, Account string
}

// document is a trust policy; each of its fields may be one value or a list of them.
type document struct {
	Statement values[statement]
}

type statement struct {
	Effect       string
	Action       values[string]
	NotAction    values[string]
	Principal    principal
	NotPrincipal json.RawMessage
	Condition    map[string]map[string]values[scalar]
}

// principal is "*" or a map by kind of principal.
type principal struct{ aws values[string] }

// UnmarshalJSON implements json.Unmarshaler.
func (p *principal) UnmarshalJSON(text []byte) error {
	var all string
	if json.Unmarshal(text, &all) == nil {
		p.aws = values[string]{all}
		return nil
	}
	var kinds map[string]values[string]
	if err := json.Unmarshal(text, &kinds); err != nil {
		return err
	}
	p.aws = kinds["AWS"]
	return nil
}

// values is a list that may be written as its one element.
type values[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (v *values[T]) UnmarshalJSON(text []byte) error {
	var list []T
	if json.Unmarshal(text, &list) == nil {
		*v = list
		return nil
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*v = values[T]{one}
	return nil
}

// scalar is a string, a number or a boolean as text.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	*s = scalar(fmt.Sprint(value))
	return nil
}

// Of returns what the trust policy, as JSON, means for the role. A policy that cannot be read is an
// error; IAM stores none.
func Of(policy string, r Role) (Verdict, error) {
	var d document
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		return Unclear, fmt.Errorf("read trust policy: %w", err)
	}
	allowed, denied := Refuses, Refuses
	for _, s := range d.Statement {
		if s.Effect == "Deny" {
			denied = stronger(denied, s.verdict(r))
		} else {
			allowed = stronger(allowed, s.verdict(r))
		}
	}
	switch {
	case denied == Allows || allowed == Refuses:
		return Refuses, nil
	case denied == Unclear:
		return Unclear, nil
	}
	return allowed, nil
}

// stronger joins what two statements of one effect mean.
func stronger(a, b Verdict) Verdict {
	if a == Allows || b == Refuses {
		return a
	}
	return b
}

// verdict is Allows where the statement, whatever its effect, is about r's call, Refuses where it is not.
func (s statement) verdict(r Role) Verdict {
	if s.NotPrincipal != nil || len(s.NotAction) > 0 {
		return Unclear
	}
	if !slices.ContainsFunc(s.Action, func(a string) bool { return like(strings.ToLower(a), "sts:assumerole") }) || !s.Principal.is(r) {
		return Refuses
	}
	verdict := Allows
	for operator, keys := range s.Condition {
		for key, wanted := range keys {
			switch holds(operator, strings.ToLower(key), wanted, r) {
			case Refuses:
				return Refuses
			case Unclear:
				verdict = Unclear
			}
		}
	}
	return verdict
}

// is reports whether r is among the principals: by name, or by its account, or because all are.
func (p principal) is(r Role) bool {
	account, _, _ := strings.Cut(r.ARN, ":role/")
	root := account + ":root"
	return slices.ContainsFunc(p.aws, func(of string) bool { return of == "*" || of == r.ARN || of == r.Account || of == root })
}

// holds evaluates one key of a condition.
func holds(operator, key string, wanted values[scalar], r Role) Verdict {
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	value, known := map[string]string{
		"aws:principalarn":          r.ARN,
		"aws:principalaccount":      r.Account,
		"aws:principaltype":         "AssumedRole",
		"aws:principalisawsservice": "false",
		"aws:viaawsservice":         "false",
		"aws:securetransport":       "true",
	}[key]
	if operator == "Null" {
		return isNull(key, known, wanted)
	}
	if !known {
		// What the plain call of a role does not have.
		if key == "sts:externalid" || key == "aws:multifactorauthpresent" || key == "sts:sourceidentity" {
			return verdictOf(ifExists || negated(operator))
		}
		return Unclear
	}
	match, ok := operators()[strings.TrimPrefix(operator, "ForAnyValue:")]
	if !ok {
		return Unclear
	}
	found := slices.ContainsFunc(wanted, func(w scalar) bool { return match(string(w), value) })
	return verdictOf(found != negated(operator))
}

func isNull(key string, known bool, wanted values[scalar]) Verdict {
	absent := key == "sts:externalid" || key == "aws:multifactorauthpresent" || key == "sts:sourceidentity"
	if !known && !absent {
		return Unclear
	}
	return verdictOf(slices.ContainsFunc(wanted, func(w scalar) bool { return string(w) == fmt.Sprint(absent) }))
}

func negated(operator string) bool { return strings.Contains(operator, "Not") }

// operators match a pattern of the policy with a value.
func operators() map[string]func(pattern, value string) bool {
	equal := func(pattern, value string) bool { return pattern == value }
	folded := strings.EqualFold
	return map[string]func(pattern, value string) bool{
		"StringEquals": equal, "StringNotEquals": equal,
		"StringEqualsIgnoreCase": folded, "StringNotEqualsIgnoreCase": folded,
		"StringLike": like, "StringNotLike": like,
		// Both operators of ARNs take wildcards.
		"ArnEquals": like, "ArnLike": like, "ArnNotEquals": like, "ArnNotLike": like,
		"Bool": folded,
	}
}

// like matches IAM's wildcards, which stand for slashes too.
func like(pattern, value string) bool {
	escape := strings.NewReplacer("/", "\x00", "[", `\[`, `\`, `\\`)
	matched, err := path.Match(escape.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
	return err == nil && matched
}

func verdictOf(holds bool) Verdict {
	if holds {
		return Allows
	}
	return Refuses
}
