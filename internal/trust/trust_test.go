package trust_test

import (
	"testing"

	"github.com/harmonix-eks/environment-provider/internal/trust"
)

func TestOf(t *testing.T) {
	const root = `"Principal":{"AWS":"arn:aws:iam::222222222222:root"}`
	me := trust.Role{ARN: "arn:aws:iam::222222222222:role/team/opa-dev-kubectl-lambda-role", Account: "222222222222"}
	allow := func(rest string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",` + rest + `}]}`
	}
	deny := func(rest string) string {
		return `{"Statement":[{"Effect":"Allow","Action":"sts:*",` + root + `},{"Effect":"Deny","Action":"sts:AssumeRole",` + rest + `}]}`
	}
	cases := map[string]struct {
		reason, policy string
		want           trust.Verdict
	}{
		"Root":             {"the account as a whole", allow(root), "allows"},
		"Account":          {"its number is the same", allow(`"Principal":{"AWS":["222222222222"]}`), "allows"},
		"Role":             {"the role itself", allow(`"Principal":{"AWS":["arn:aws:iam::222222222222:role/other","arn:aws:iam::222222222222:role/team/opa-dev-kubectl-lambda-role"]}`), "allows"},
		"Everybody":        {"a star", allow(`"Principal":"*"`), "allows"},
		"NoList":           {"one statement without brackets", `{"Statement":{"Effect":"Allow","Action":["sts:TagSession","sts:AssumeRole"],` + root + `}}`, "allows"},
		"OtherRole":        {"another role", allow(`"Principal":{"AWS":"arn:aws:iam::222222222222:role/other"}`), "refuses"},
		"OtherAccount":     {"another account", allow(`"Principal":{"AWS":"arn:aws:iam::333333333333:root"}`), "refuses"},
		"Service":          {"a service", allow(`"Principal":{"Service":"ec2.amazonaws.com"}`), "refuses"},
		"Gone":             {"a role that was deleted is kept by its id", allow(`"Principal":{"AWS":"AROAEXAMPLE"}`), "refuses"},
		"OtherAction":      {"another way to assume", `{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",` + root + `}]}`, "refuses"},
		"Nothing":          {"no statement", `{"Statement":[]}`, "refuses"},
		"ArnEquals":        {"what the provider advises", allow(root + `,"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::222222222222:role/team/opa-dev-kubectl-lambda-role"}}`), "allows"},
		"ArnLike":          {"a pattern over the path", allow(root + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*-kubectl-lambda-role"}}`), "allows"},
		"OtherArn":         {"a condition for another", allow(root + `,"Condition":{"StringEquals":{"aws:PrincipalArn":["arn:aws:iam::222222222222:role/a","arn:aws:iam::222222222222:role/b"]}}`), "refuses"},
		"NotArn":           {"all but this one", allow(root + `,"Condition":{"ArnNotLike":{"aws:PrincipalArn":"*kubectl*"}}`), "refuses"},
		"ExternalID":       {"the function sends none", allow(root + `,"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), "refuses"},
		"ExternalIDIfSent": {"which is no obstacle here", allow(root + `,"Condition":{"StringEqualsIfExists":{"sts:ExternalId":"x"}}`), "allows"},
		"MFA":              {"a function has no such device", allow(root + `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), "refuses"},
		"BoolUnquoted":     {"a boolean may stand without quotation marks", allow(root + `,"Condition":{"Bool":{"aws:SecureTransport":true}}`), "allows"},
		"NullSent":         {"an external id has to be there", allow(root + `,"Condition":{"Null":{"sts:ExternalId":"false"}}`), "refuses"},
		"Organization":     {"the policy does not tell", allow(root + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`), "unclear"},
		"UnclearAndNot":    {"one condition that fails is enough", allow(root + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1","aws:PrincipalAccount":"333333333333"}}`), "refuses"},
		"NotPrincipal":     {"all but some", allow(`"NotPrincipal":{"AWS":"arn:aws:iam::333333333333:root"}`), "unclear"},
		"Denied":           {"a denial wins", deny(root), "refuses"},
		"DeniedOther":      {"a denial for others", deny(`"Principal":{"AWS":"arn:aws:iam::333333333333:root"}`), "allows"},
		"DeniedUnclear":    {"it may hold", deny(root + `,"Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}`), "unclear"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := trust.Of(tc.policy, me)
			if err != nil || got != tc.want {
				t.Errorf("%s: got %s, %v, want %s", tc.reason, got, err, tc.want)
			}
		})
	}
}

func TestOfNonsense(t *testing.T) {
	for _, policy := range []string{"", "[]", `{"Statement":[{"Principal":3}]}`} {
		if got, err := trust.Of(policy, trust.Role{}); err == nil || got != trust.Unclear {
			t.Errorf("%q: got %s, %v", policy, got, err)
		}
	}
}
