package stage

import (
	"maps"

	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// environmentTag marks every stack, and by propagation every resource, of an environment.
const environmentTag = "eks-environment"

// Spec is the stack called name as this input's environment wants it: with the request's tags and
// under CloudFormation's service role.
func (i Input) Spec(name, template string, parameters map[string]string) stack.Spec {
	tags := maps.Clone(i.State.Request.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[environmentTag] = i.State.Names.Environment
	spec := stack.Spec{
		Name:       name,
		Template:   template,
		Parameters: parameters,
		Tags:       tags,
		Execution:  i.State.Execution.ARN,
		Since:      i.Entered,
	}
	if i.State.Bootstrap != nil {
		spec.RoleARN = i.State.Bootstrap.ServiceRoleARN
	}
	return spec
}
