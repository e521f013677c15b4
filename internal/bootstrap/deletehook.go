package bootstrap

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/artifact"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// master is the part of Lambda that knows the orchestrator's own copy of the delete hook.
type master interface {
	GetFunction(ctx context.Context, in *lambda.GetFunctionInput, opts ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error)
}

// deleteHook copies the delete hook's code into the bucket and converges its stack, under the service
// role; both are in section, which it completes. A plan copies nothing.
func (s *Stage) deleteHook(ctx context.Context, t *target.Target, in stage.Input, section *environment.Bootstrap) error {
	function, err := s.master.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &s.options.DeleteHook})
	if err != nil {
		return account.Classify(err, "read the orchestrator's function %s", s.options.DeleteHook)
	}
	put := artifact.In(s3.NewFromConfig(t.Config), section.ArtifactBucket).Put
	if in.State.Request.Plans() {
		put = artifact.KeyOnly
	}
	key, err := put(ctx, "delete-hook", aws.ToString(function.Configuration.CodeSha256), aws.ToString(function.Code.Location))
	if err != nil {
		return err
	}
	spec := shared(t, in, environment.DeleteHookStack, templates.DeleteHook, map[string]string{
		"ArtifactBucket": section.ArtifactBucket,
		"FunctionKey":    key,
		"Architecture":   string(function.Configuration.Architectures[0]),
		"StarterRoleArn": s.options.StarterRoleARN,
	})
	spec.RoleARN = section.ServiceRoleARN
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return err
	}
	section.DeleteHookARN = out.Outputs["FunctionArn"]
	if section.Change == environment.Unchanged {
		section.Change = out.Change
	}
	section.Plan = section.Plan.And(out.Plan)
	return nil
}
