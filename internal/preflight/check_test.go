package preflight

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/finding"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

func denied(service, operation string) error {
	return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}}
}

func TestInspect(t *testing.T) {
	says := func(f ...finding.Finding) func(context.Context, subject) ([]finding.Finding, error) {
		return func(context.Context, subject) ([]finding.Finding, error) { return f, nil }
	}
	fails := func(err error, f ...finding.Finding) func(context.Context, subject) ([]finding.Finding, error) {
		return func(context.Context, subject) ([]finding.Finding, error) { return f, err }
	}
	cases := map[string]struct {
		reason string
		checks []check
		want   []string
	}{
		"All": {
			"in the order of the checks", []check{{look: says(finding.Errorf("A", "/a", "one"))}, {look: says()}, {look: says(finding.Warningf("B", "", "two"), finding.Warningf("C", "", "three"))}},
			[]string{"error A /a: one", "warning B two", "warning C three"},
		},
		"Denied": {
			"a permission that is missing is named once, with all that it hid", []check{
				{what: "VPCs", look: fails(denied("Service Quotas", "GetServiceQuota"))},
				{what: "roles", look: fails(denied("IAM", "GetRole"))},
				{what: "addresses", look: fails(denied("Service Quotas", "GetServiceQuota"))},
			},
			[]string{
				"warning NotChecked /environmentRole: not checked: VPCs, addresses, because the environment role may not call servicequotas:GetServiceQuota",
				"warning NotChecked /environmentRole: not checked: roles, because the environment role may not call iam:GetRole",
			},
		},
		"Broken": {
			"any other error is shown, and what was found before it is kept", []check{{what: "logs", look: fails(errors.New("moon"), finding.Warningf("B", "", "two"))}},
			[]string{"warning B two", "warning NotChecked not checked: logs, because moon"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range inspect(t.Context(), subject{}, tc.checks) {
				line, _, _ := strings.Cut(f.String(), "; ")
				got = append(got, string(f.Severity)+" "+f.Code+" "+line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	wrong, full, odd := finding.Errorf("InvalidRequest", "/name", "bad"), finding.Errorf("QuotaExceeded", "", "full"), finding.Warningf("Odd", "/cidr", "odd")
	there := subject{stacks: map[string]stack.Description{"s": {}}}
	cases := map[string]struct {
		reason string
		report []finding.Finding
		in     subject
		code   fault.Code
		want   string
	}{
		"Nothing":  {reason: "an empty report"},
		"Warnings": {reason: "warnings stop nothing", report: []finding.Finding{odd}},
		"Request":  {"only the request is wrong", []finding.Finding{wrong}, subject{}, "InvalidRequest", "1 thing is wrong with the request; nothing was created:\n- /name: bad"},
		"Account":  {"the account is in the way", []finding.Finding{full}, subject{}, "PreflightFailed", "1 thing stands in the way; nothing was created:\n- full"},
		"Both": {
			"everything at once, errors first", []finding.Finding{odd, wrong, full}, subject{}, "PreflightFailed",
			"2 things stand in the way; nothing was created:\n- full\n- /name: bad\n- warning: /cidr: odd",
		},
		"Shared": {
			"the bootstrap stack is no environment's", []finding.Finding{full},
			subject{names: environment.Names{BootstrapStack: "EKS-ENV-Bootstrap"}, stacks: map[string]stack.Description{"EKS-ENV-Bootstrap": {}}},
			"PreflightFailed", "1 thing stands in the way; nothing was created:\n- full",
		},
		"Exists": {"an environment that exists was not created now", []finding.Finding{wrong}, there, "InvalidRequest", "1 thing is wrong with the request; the environment was not changed:\n- /name: bad"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := refuse(tc.report, tc.in)
			if fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: got %v, want %q", tc.reason, err, tc.code)
			}
			if err == nil {
				return
			}
			f := fault.As(err)
			if f.Message != tc.want || f.Next == "" || len(f.Findings) != len(tc.report) {
				t.Errorf("%s: got %q with %d findings, want %q", tc.reason, f.Message, len(f.Findings), tc.want)
			}
		})
	}
}
