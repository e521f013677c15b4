package environment

import (
	"fmt"
	"regexp"
	"strings"
)

// roleARN is the form of a role's ARN: account, path and name. The regions of the schema are all
// in the partition "aws".
var roleARN = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role/((?:[!-~]+/)?)([A-Za-z0-9+=,.@_-]{1,64})$`)

// sessionARN is the ARN of a session of a role, which sts:GetCallerIdentity prints and which people
// take for the role's.
var sessionARN = regexp.MustCompile(`^arn:aws:sts::([0-9]{12}):assumed-role/([^/]+)/`)

// roles checks the roles that a request names by field.
func roles(doc document) []Violation {
	account, _ := doc.text("awsAccountID")
	var all []Violation
	for field, inTarget := range map[string]bool{
		"environmentRole": true, "clusterAdminRole": true, "platformRole": false, "pipelineRole": false,
	} {
		value, ok := doc.text(field)
		if !ok {
			continue
		}
		of := ""
		if inTarget {
			of = account
		}
		if v, ok := CheckRole(pointerTo(field), value, of); !ok {
			all = append(all, v)
		}
	}
	return all
}

// maxAssumable is how many characters the ARNs of assumableRoles have together. The kubectl function has
// them in its environment, for which Lambda takes 4 KB
// (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), and a clusterAdminRole beside them.
const maxAssumable = 2000

// assumableRoles checks the list of that name.
func assumableRoles(doc document) []Violation {
	list, _ := doc["assumableRoles"].([]any)
	var all []Violation
	if n := len(strings.Join(texts(list), ",")); n > maxAssumable {
		all = append(all, Violation{
			Pointer: "/assumableRoles", Given: fmt.Sprintf("%d characters in all ARNs together", n),
			Allowed: fmt.Sprintf("at most %d, because the kubectl function has them in its environment", maxAssumable),
		})
	}
	for i, entry := range list {
		value, ok := entry.(string)
		if !ok {
			continue
		}
		v, ok := CheckRole(fmt.Sprintf("/assumableRoles/%d", i), value, "")
		if ok && strings.Contains(value, ",") {
			v = Violation{Pointer: fmt.Sprintf("/assumableRoles/%d", i), Given: given("", value), Allowed: "the ARN of a role without commas in it: they separate the roles where the list is kept"}
			ok = false
		}
		if !ok {
			all = append(all, v)
		}
	}
	return all
}

// CheckRole reports whether value is the ARN of a role and lies in the account, if one is given.
// If not, the violation says why.
func CheckRole(pointer, value, account string) (Violation, bool) {
	v := Violation{Pointer: pointer, Given: given(pointer, value), Allowed: "the ARN of an IAM role, arn:aws:iam::<account>:role/<path and name>"}
	m := roleARN.FindStringSubmatch(value)
	if m == nil {
		if s := sessionARN.FindStringSubmatch(value); s != nil {
			v.Hint = fmt.Sprintf("this is a session; did you mean %s (with the role's path, if it has one)?", quote("arn:aws:iam::"+s[1]+":role/"+s[2]))
		} else if plain := "arn:aws:iam::" + account + ":role/" + strings.TrimPrefix(value, "role/"); roleARN.MatchString(plain) && !strings.Contains(value, ":") {
			v.Hint = "did you mean " + quote(plain) + "?"
		}
		return v, false
	}
	if accountID.MatchString(account) && m[1] != account {
		v.Allowed = "a role in the target account " + account
		return v, false
	}
	return Violation{}, true
}
