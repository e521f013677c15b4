package preflight

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// The parameters in which Harmonix keeps its roles (harmonix-contract.md, section 1.2).
const (
	platformRoleParameter = "/opa/platform-role"
	pipelineRoleParameter = "/opa/pipeline-role"
)

// platformRoles fills the two roles that a request may leave to the platform.
func (s *Stage) platformRoles(ctx context.Context, r environment.Request) (environment.Request, []finding.Finding, error) {
	var violations []environment.Violation
	for _, role := range []struct {
		value              *string
		pointer, parameter string
	}{
		{&r.PlatformRole, "/platformRole", platformRoleParameter},
		{&r.PipelineRole, "/pipelineRole", pipelineRoleParameter},
	} {
		if *role.value != "" {
			continue
		}
		value, err := s.parameter(ctx, role.parameter)
		if err != nil {
			return r, nil, err
		}
		wayOut := fmt.Sprintf("send the field, or put the role's ARN into the SSM parameter %s of the provider's account and region", role.parameter)
		if value == "" {
			violations = append(violations, environment.Violation{
				Pointer: role.pointer, Given: "nothing, and there is no SSM parameter " + role.parameter, Allowed: "the ARN of an IAM role", Hint: wayOut,
			})
			continue
		}
		if v, ok := environment.CheckRole(role.pointer, value, ""); !ok {
			v.Given += " from the SSM parameter " + role.parameter
			v.Hint = wayOut
			violations = append(violations, v)
			continue
		}
		*role.value = value
	}
	return r, findingsOf(violations), nil
}

// parameter returns the parameter's value, or "" if it does not exist.
func (s *Stage) parameter(ctx context.Context, name string) (string, error) {
	out, err := s.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(name)})
	switch {
	case awsfault.Gone(err):
		return "", nil
	case err != nil:
		return "", account.Classify(err, "read the SSM parameter %s of the provider's account", name)
	case out.Parameter == nil:
		return "", nil
	}
	return aws.ToString(out.Parameter.Value), nil
}
