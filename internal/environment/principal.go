package environment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// principalARN is the form of the ARN of a role or user that a trust policy can name: without the
// wildcards that a condition on ARNs takes, and without the comma, which IAM admits in names and which
// separates the entries of a list parameter.
var principalARN = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):(?:role|user)/(?:[A-Za-z0-9+=.@_-]+/)*[A-Za-z0-9+=.@_-]{1,64}$`)

// rootARN is an account as a principal.
var rootARN = regexp.MustCompile(`^(arn:aws:iam::)?[0-9]{12}(:root)?$`)

// maxTrust is how many characters the ARNs of clusterAdminTrust have together. A trust policy has 2,048
// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); the rest is for its frame, the
// kubectl function's role, and an account for each entry. TestRoleQuotas of infra/templates holds it to that.
const maxTrust = 1000

// clusterAdminTrust checks who is to assume the administrator of the cluster.
func clusterAdminTrust(doc document) []Violation {
	list, _ := doc["clusterAdminTrust"].([]any)
	var all []Violation
	characters := 0
	for i, entry := range list {
		value, ok := entry.(string)
		if !ok {
			continue
		}
		characters += len(value)
		if principalARN.MatchString(value) {
			continue
		}
		pointer := fmt.Sprintf("/clusterAdminTrust/%d", i)
		v := Violation{Pointer: pointer, Given: given(pointer, value), Allowed: "the ARN of an IAM role or user, arn:aws:iam::<account>:role/<path and name>, without wildcards and commas"}
		if s := sessionARN.FindStringSubmatch(value); s != nil {
			v.Hint = fmt.Sprintf("this is a session; did you mean %s (with the role's path, if it has one)?", quote("arn:aws:iam::"+s[1]+":role/"+s[2]))
		} else if rootARN.MatchString(value) {
			v.Hint = "name the roles of the account: an account as a whole is not trusted"
		}
		all = append(all, v)
	}
	if characters > maxTrust {
		all = append(all, Violation{
			Pointer: "/clusterAdminTrust", Given: fmt.Sprintf("%d characters in all ARNs together", characters),
			Allowed: fmt.Sprintf("at most %d, because the trust policy of a role has 2048", maxTrust),
		})
	}
	if role, ok := doc.text("clusterAdminRole"); ok && len(list) > 0 {
		all = append(all, Violation{
			Pointer: "/clusterAdminTrust", Given: "a trust with the clusterAdminRole " + quote(shorten(role, maxGiven)),
			Allowed: "one of the two: the trust is of the role that is created when clusterAdminRole is left out",
			Hint:    "change the trust policy of your own role instead",
		})
	}
	return all
}

// TrustedAccounts are the roots of the accounts that the principals of r's ClusterAdminTrust are in,
// each once.
func (r Request) TrustedAccounts() []string {
	var roots []string
	for _, arn := range r.ClusterAdminTrust {
		root := "arn:aws:iam::" + principalARN.FindStringSubmatch(arn)[1] + ":root"
		if !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots
}

// policyARN is the form of a managed policy's ARN. Those of AWS have "aws" for an account.
var policyARN = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}|aws):policy/(?:[!-~]+/)?[A-Za-z0-9+=,.@_-]{1,128}$`)

// permissionsBoundary checks that the boundary is a policy that roles of the target account can have.
func permissionsBoundary(doc document) []Violation {
	value, ok := doc.text("permissionsBoundary")
	if !ok {
		return nil
	}
	account, _ := doc.text("awsAccountID")
	v := Violation{Pointer: "/permissionsBoundary", Given: given("", value), Allowed: "the ARN of a managed policy, arn:aws:iam::<account>:policy/<path and name>"}
	m := policyARN.FindStringSubmatch(value)
	switch {
	case m == nil:
		if plain := "arn:aws:iam::" + account + ":policy/" + strings.TrimPrefix(value, "policy/"); policyARN.MatchString(plain) && !strings.Contains(value, ":") {
			v.Hint = "did you mean " + quote(plain) + "?"
		}
	case m[1] != "aws" && accountID.MatchString(account) && m[1] != account:
		v.Allowed = "a policy of the target account " + account + ", or one of AWS"
	default:
		return nil
	}
	return []Violation{v}
}
