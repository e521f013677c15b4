package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// template is one CloudFormation template under construction. Its constructs' ids are the logical
// ids of the finished template, which must never change: CloudFormation would replace the resource.
type template struct {
	stack awscdk.Stack
	// outputs keeps the outputs apart from parameters and resources of the same name.
	outputs constructs.Construct
	// boundary is the permissions boundary of the template's roles; see [template.bounded].
	boundary *string
}

// newTemplate starts a template.
func newTemplate(app awscdk.App, name string) *template {
	stack := awscdk.NewStack(app, jsii.String(name), &awscdk.StackProps{
		// No rule that asks for the CDK's bootstrap stack, which no target account has.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	})
	return &template{stack: stack, outputs: constructs.NewConstruct(stack, jsii.String("Outputs"))}
}

// describe sets the template's description.
func (t *template) describe(text string) { t.stack.TemplateOptions().SetDescription(&text) }

// identify declares the two parameters that name an environment.
func (t *template) identify() {
	pattern := "[a-z0-9][a-z0-9-]*"
	t.parameter("Prefix", awscdk.CfnParameterProps{
		Description:    jsii.String("First part of the environment's name, such as opa"),
		AllowedPattern: &pattern,
	})
	t.parameter("Name", awscdk.CfnParameterProps{
		Description:    jsii.String("Second part of the environment's name"),
		AllowedPattern: &pattern,
	})
}

// bounded declares the parameter whose value, if it has one, is the permissions boundary of every role
// that the template declares afterwards.
func (t *template) bounded() {
	arn := t.optional("PermissionsBoundary", "ARN of a policy that bounds what the roles may do, whatever their own policies allow; empty: none")
	has := t.when("HasBoundary", awscdk.Fn_ConditionNot(empty(arn)))
	t.boundary = either(has, arn, awscdk.Aws_NO_VALUE())
}

// text declares a parameter that takes any string.
func (t *template) text(name, description string) *string {
	return t.parameter(name, awscdk.CfnParameterProps{Description: &description}).ValueAsString()
}

// optional declares a parameter that may be empty.
func (t *template) optional(name, description string) *string {
	return t.parameter(name, awscdk.CfnParameterProps{Description: &description, Default: ""}).ValueAsString()
}

// number declares a parameter that takes a number.
func (t *template) number(name, description string) *float64 {
	return t.parameter(name, awscdk.CfnParameterProps{Description: &description, Type: jsii.String("Number")}).ValueAsNumber()
}

// choice declares a parameter with a closed set of values.
func (t *template) choice(name, description string, values ...string) *string {
	return t.parameter(name, awscdk.CfnParameterProps{Description: &description, AllowedValues: jsii.Strings(values...)}).ValueAsString()
}

// list declares a parameter that takes a comma-separated list.
func (t *template) list(name, description string) *[]*string {
	return t.parameter(name, awscdk.CfnParameterProps{
		Description: &description,
		Type:        jsii.String("CommaDelimitedList"),
	}).ValueAsList()
}

func (t *template) parameter(name string, props awscdk.CfnParameterProps) awscdk.CfnParameter {
	return awscdk.NewCfnParameter(t.stack, &name, &props)
}

// when declares a condition.
func (t *template) when(name string, expression awscdk.ICfnConditionExpression) awscdk.CfnCondition {
	return awscdk.NewCfnCondition(t.stack, &name, &awscdk.CfnConditionProps{Expression: expression})
}

// output declares an output; condition may be nil.
func (t *template) output(name, description string, value *string, condition awscdk.CfnCondition) {
	awscdk.NewCfnOutput(t.outputs, &name, &awscdk.CfnOutputProps{
		Description: &description,
		Value:       value,
		Condition:   condition,
	}).OverrideLogicalId(&name)
}

// logGroup declares a log group that goes with its stack, so that its name is free again then.
func (t *template) logGroup(id string, name *string, days float64) awslogs.CfnLogGroup {
	group := awslogs.NewCfnLogGroup(t.stack, &id, &awslogs.CfnLogGroupProps{LogGroupName: name, RetentionInDays: &days})
	group.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	group.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_DELETE)
	return group
}

// sub is Fn::Sub: text with the ${parameters} and ${Logical.Attributes} of the template in it. A text
// that is one parameter and nothing else becomes the plain reference.
func sub(text string) *string {
	if name, found := strings.CutPrefix(text, "${"); found && strings.IndexAny(name, ".}") == len(name)-1 {
		return awscdk.Fn_Ref(jsii.String(strings.TrimSuffix(name, "}")))
	}
	return awscdk.Fn_Sub(&text, nil)
}

// either is the one text if the condition holds, and the other if not.
func either(condition awscdk.CfnCondition, yes, no *string) *string {
	return awscdk.Token_AsString(awscdk.Fn_ConditionIf(condition.LogicalId(), yes, no), nil)
}

// empty says that a parameter's value is "".
func empty(value *string) awscdk.ICfnRuleConditionExpression {
	return awscdk.Fn_ConditionEquals(value, jsii.String(""))
}

// named is the tag that consoles show as a resource's name.
func named(name string) *[]*awscdk.CfnTag {
	return &[]*awscdk.CfnTag{{Key: jsii.String("Name"), Value: sub(name)}}
}

// elements is a list of texts for a property whose type takes references besides texts.
func elements(texts *[]*string) *[]any {
	list := make([]any, 0, len(*texts))
	for _, text := range *texts {
		list = append(list, text)
	}
	return &list
}

// sorted returns the keys of m in order, so that a map renders the same way every time.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
