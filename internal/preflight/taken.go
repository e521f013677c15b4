package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/finding"
)

// name is a fixed name of something that a stack makes. What has the name already, and is not the
// stack's, keeps the stack from being made.
type name struct{ of, stack string }

// newNames are those of the names whose stack is still to be made. A stack that moves, or that failed
// in part, may hold its names itself.
func newNames(all []name, s subject) []name {
	return slices.DeleteFunc(slices.Clone(all), func(n name) bool {
		status, ok := s.statuses[n.stack]
		return ok && status != cfntypes.StackStatusRollbackComplete && status != cfntypes.StackStatusReviewInProgress
	})
}

// taken returns a finding for the name of a thing of a kind, such as "role". By now the stack may have been
// made, by another execution for the environment: then the thing is the stack's, and Lock says the rest.
func taken(ctx context.Context, s subject, kind, hint string, n name) ([]finding.Finding, error) {
	if _, made, err := s.describer.Describe(ctx, n.stack); err != nil || made && !s.madeAnew(n.stack) {
		return nil, err
	}
	found := finding.Errorf("NameTaken", "/name", "there is a %s %s already, which is not the environment's, and stack %s is to make one of that name%s", kind, n.of, n.stack, hint)
	next := "remove or rename it, or choose another prefix or name"
	if remove := retainedBy(kind); remove != "" {
		// It can be what a removal has kept. Then it has this environment's name, and nothing else keeps it.
		next = fmt.Sprintf("if a removal with retain has kept it, save elsewhere what is needed of it and remove it: %s %s --region %s; otherwise choose another prefix or name", remove, n.of, s.request.Region)
	}
	return []finding.Finding{found.WithNext("%s", next)}, nil
}

// retainedBy is the command that removes a thing of a kind that a removal may have kept, empty for others.
func retainedBy(kind string) string {
	return map[string]string{
		"table":     "aws dynamodb delete-table --table-name",
		"log group": "aws logs delete-log-group --log-group-name",
	}[kind]
}

// madeAnew reports whether the stack was there from the beginning, as a failure that is to be replaced.
func (s subject) madeAnew(stack string) bool {
	_, ok := s.statuses[stack]
	return ok
}

// roleNames are the environment's roles. Names of roles are the account's, not the region's: an
// environment of the same name in another region has them too.
func roleNames(s subject) []name {
	r, n := s.request, s.names
	role := func(suffix, stack string) name { return name{n.Environment + suffix, stack} }
	all := []name{
		{"EKS-ENV-CloudFormation-" + r.Region, n.BootstrapStack}, {"EKS-ENV-DeleteHook-" + r.Region, environment.DeleteHookStack},
		role("-operations-role", n.IdentityStack), role("-provisioning-role", n.IdentityStack),
		role("-cluster-control-plane-role", n.IdentityStack), role("-kubectl-lambda-role", n.IdentityStack),
		role("-flow-log-role", n.EgressStack), role("-lb-controller-role", n.AddonRolesStack),
	}
	if r.ClusterAdminRole == "" {
		all = append(all, role("-cluster-admin-role", n.IdentityStack))
	}
	if r.NodeType == environment.NodeTypeManaged {
		return append(all, role("-node-role", n.IdentityStack), role("-cluster-fluent-bit-sa-role", n.AddonRolesStack))
	}
	return append(all, role("-pod-execution-role", n.IdentityStack))
}

func takenRoles(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookForRoles(ctx, iam.NewFromConfig(s.config), s)
}

func lookForRoles(ctx context.Context, api roleAPI, s subject) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, n := range newNames(roleNames(s), s) {
		role, err := roleOf(ctx, api, n.of)
		if err != nil {
			return all, err
		}
		if role == nil {
			continue
		}
		hint := ""
		for _, tag := range role.Tags {
			if aws.ToString(tag.Key) == environment.Tag {
				hint = fmt.Sprintf("; its tag says that it is of the environment %s, which may be in another region", aws.ToString(tag.Value))
			}
		}
		found, err := taken(ctx, s, "role", hint, n)
		if all = append(all, found...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// takenTable looks for a table with the audit table's name.
func takenTable(ctx context.Context, s subject) ([]finding.Finding, error) {
	api := dynamodb.NewFromConfig(s.config)
	return lookFor(ctx, s, "table", []name{{s.names.AuditTable, s.names.IdentityStack}}, func(table string) (bool, error) {
		_, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
		if awsfault.Gone(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// takenFunction looks for a function with the kubectl function's name.
func takenFunction(ctx context.Context, s subject) ([]finding.Finding, error) {
	api := lambda.NewFromConfig(s.config)
	return lookFor(ctx, s, "function", []name{{s.names.KubectlFunction, s.names.KubectlStack}}, func(function string) (bool, error) {
		_, err := api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
		if awsfault.Gone(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// aliasNames are those of the two keys.
func aliasNames(s subject) []name {
	return []name{
		{"alias/" + s.names.Environment + "-key", s.names.IdentityStack},
		{"alias/eks/" + s.names.Environment + "-cluster-key-alias", s.names.IdentityStack},
	}
}

// takenAliases looks for the names of the keys.
func takenAliases(ctx context.Context, s subject) ([]finding.Finding, error) {
	names := aliasNames(s)
	if len(newNames(names, s)) == 0 {
		return nil, nil
	}
	there := map[string]bool{}
	pages := kms.NewListAliasesPaginator(kms.NewFromConfig(s.config), &kms.ListAliasesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Aliases {
			there[aws.ToString(a.AliasName)] = true
		}
	}
	return lookFor(ctx, s, "key alias", names, func(alias string) (bool, error) { return there[alias], nil })
}

// logGroupNames are those that stacks make.
func logGroupNames(s subject) []name {
	return []name{
		{"/aws/lambda/" + s.names.KubectlFunction, s.names.KubectlStack},
		{"/aws/vpc/" + s.names.Environment + "-flow-logs", s.names.EgressStack},
	}
}

// takenLogGroups looks for log groups of those names.
func takenLogGroups(ctx context.Context, s subject) ([]finding.Finding, error) {
	api := cloudwatchlogs.NewFromConfig(s.config)
	return lookFor(ctx, s, "log group", logGroupNames(s), func(group string) (bool, error) {
		out, err := api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group})
		if err != nil {
			return false, err
		}
		for _, g := range out.LogGroups {
			if aws.ToString(g.LogGroupName) == group {
				return true, nil
			}
		}
		return false, nil
	})
}

// parameterNames are those of the SSM parameters that the provider stack makes (harmonix-contract.md,
// section 5). Applications' parameters are under the same path, and stay when an environment goes.
func parameterNames(s subject) []name {
	suffixes := []string{
		"unique-id", "vpc", "vpc/public-subnets", "vpc/private-subnets", "kms-key", s.request.Name + "-audit", "eks-cluster",
		"operations-role", "operations-role-arn", "provisioning-role", "provisioning-role-arn", "eks-control-plane-role", "eks-control-plane-role-arn",
		"cluster-admin-role", "cluster-admin-role-arn", "kubectl-lambda-role-arn",
	}
	if s.request.NodeType == environment.NodeTypeFargate {
		suffixes = append(suffixes, "pod-execution-role", "pod-execution-role-arn")
	}
	var all []name
	for _, suffix := range suffixes {
		all = append(all, name{s.names.ParameterPath + "/" + suffix, s.names.ProviderStack})
	}
	return all
}

// takenParameters looks for the provider stack's SSM parameters.
func takenParameters(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookForParameters(ctx, ssm.NewFromConfig(s.config), s)
}

// parametersAPI is what the check needs of SSM.
type parametersAPI interface {
	GetParameters(ctx context.Context, in *ssm.GetParametersInput, opts ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
}

func lookForParameters(ctx context.Context, api parametersAPI, s subject) ([]finding.Finding, error) {
	names := newNames(parameterNames(s), s)
	there := map[string]bool{}
	// A call takes ten names: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
	for some := range slices.Chunk(names, 10) {
		in := &ssm.GetParametersInput{}
		for _, n := range some {
			in.Names = append(in.Names, n.of)
		}
		// Those that are not there are no error.
		out, err := api.GetParameters(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, p := range out.Parameters {
			there[aws.ToString(p.Name)] = true
		}
	}
	return lookFor(ctx, s, "SSM parameter", names, func(parameter string) (bool, error) { return there[parameter], nil })
}

// takenCluster refuses a cluster that no stack of the environment has made.
func takenCluster(ctx context.Context, s subject) ([]finding.Finding, error) {
	return lookFor(ctx, s, "cluster", []name{{s.names.Cluster, s.names.ClusterStack}}, func(string) (bool, error) { return s.live != "", nil })
}

// foreignStacks refuses stacks that have the environment's names and not its tag.
func foreignStacks(_ context.Context, s subject) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, stack := range s.names.Stacks() {
		live, ok := s.stacks[stack]
		if of := live.Tags[environment.Tag]; ok && of != s.names.Environment {
			whose := "no tag " + environment.Tag
			if of != "" {
				whose = "the tag " + environment.Tag + " " + of
			}
			all = append(all, finding.Errorf("NameTaken", "/name", "stack %s has %s, so it is not this environment's", stack, whose).
				WithNext("remove it, or choose another prefix or name"))
		}
	}
	return all, nil
}

// lookFor asks for each name that is still to be made whether it exists.
func lookFor(ctx context.Context, s subject, kind string, names []name, exists func(string) (bool, error)) ([]finding.Finding, error) {
	var all []finding.Finding
	for _, n := range newNames(names, s) {
		there, err := exists(n.of)
		if err != nil {
			return all, err
		}
		if !there {
			continue
		}
		found, err := taken(ctx, s, kind, "", n)
		if all = append(all, found...); err != nil {
			return all, err
		}
	}
	return all, nil
}
