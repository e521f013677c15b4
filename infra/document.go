package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// statement is one statement of an IAM policy. Resources, principals and the values of conditions
// may name parameters as Fn::Sub does.
type statement struct {
	ID string
	// Deny makes it a prohibition.
	Deny bool
	// Service and AWS are the principal of a resource or trust policy.
	Service string
	AWS     any
	Actions []string
	// Resources is absent in a trust policy.
	Resources []string
	// List stands for Resources where the ARNs are a parameter.
	List      any
	Condition map[string]map[string]any
	// When is the condition under which the statement is there at all.
	When awscdk.CfnCondition
}

// document renders a policy document.
func document(statements ...statement) map[string]any {
	rendered := make([]any, 0, len(statements))
	for _, s := range statements {
		var r any = s.render()
		if s.When != nil {
			r = awscdk.Fn_ConditionIf(s.When.LogicalId(), r, awscdk.Aws_NO_VALUE())
		}
		rendered = append(rendered, r)
	}
	return map[string]any{"Version": "2012-10-17", "Statement": rendered}
}

func (s statement) render() map[string]any {
	r := map[string]any{"Effect": "Allow", "Action": s.Actions}
	if s.Deny {
		r["Effect"] = "Deny"
	}
	if s.ID != "" {
		r["Sid"] = s.ID
	}
	switch {
	case s.Service != "":
		r["Principal"] = map[string]any{"Service": s.Service}
	case s.AWS == "*":
		r["Principal"] = "*"
	case s.AWS != nil:
		r["Principal"] = map[string]any{"AWS": s.AWS}
	}
	switch {
	case s.List != nil:
		r["Resource"] = s.List
	case len(s.Resources) == 1:
		r["Resource"] = value(s.Resources[0])
	case len(s.Resources) > 1:
		list := make([]any, 0, len(s.Resources))
		for _, resource := range s.Resources {
			list = append(list, value(resource))
		}
		r["Resource"] = list
	}
	if s.Condition != nil {
		conditions := map[string]any{}
		for operator, keys := range s.Condition {
			rendered := map[string]any{}
			for key, v := range keys {
				rendered[key] = value(v)
			}
			conditions[operator] = rendered
		}
		r["Condition"] = conditions
	}
	return r
}

// value renders a string with a parameter in it as Fn::Sub and everything else as it is.
func value(v any) any {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "${") {
			return sub(v)
		}
	case []string:
		list := make([]any, 0, len(v))
		for _, element := range v {
			list = append(list, value(element))
		}
		return list
	}
	return v
}

// role describes an IAM role of an environment.
type role struct {
	// Name may hold parameters. It is fixed, because other accounts, clusters and application
	// repositories refer to it, and because a generated one would change with the role.
	Name        string
	Description string
	Trust       statement
	// More are further statements of the trust policy.
	More []statement
	// Managed names AWS managed policies.
	Managed []string
	Inline  map[string][]statement
	// Long permits sessions of twelve hours, as Harmonix' own roles do.
	Long bool
	When awscdk.CfnCondition
}

// role declares an IAM role and returns it.
func (t *template) role(id string, r role) awsiam.CfnRole {
	r.Trust.Actions = []string{"sts:AssumeRole"}
	for i := range r.More {
		r.More[i].Actions = r.Trust.Actions
	}
	props := &awsiam.CfnRoleProps{
		RoleName:                 sub(r.Name),
		Description:              &r.Description,
		AssumeRolePolicyDocument: document(append([]statement{r.Trust}, r.More...)...),
		PermissionsBoundary:      t.boundary,
	}
	if r.Long {
		props.MaxSessionDuration = jsii.Number(43200)
	}
	if len(r.Managed) > 0 {
		arns := make([]any, 0, len(r.Managed))
		for _, name := range r.Managed {
			arns = append(arns, sub("arn:${AWS::Partition}:iam::aws:policy/"+name))
		}
		props.ManagedPolicyArns = &arns
	}
	if len(r.Inline) > 0 {
		var policies []any
		for _, name := range sorted(r.Inline) {
			policies = append(policies, &awsiam.CfnRole_PolicyProperty{
				PolicyName:     jsii.String(name),
				PolicyDocument: document(r.Inline[name]...),
			})
		}
		props.Policies = policies
	}
	resource := awsiam.NewCfnRole(t.stack, &id, props)
	if r.When != nil {
		resource.CfnOptions().SetCondition(r.When)
	}
	return resource
}
