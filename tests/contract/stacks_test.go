package contract_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/addonroles"
	"github.com/harmonix-eks/environment-provider/internal/bootstrap"
	"github.com/harmonix-eks/environment-provider/internal/capacity"
	"github.com/harmonix-eks/environment-provider/internal/cluster"
	"github.com/harmonix-eks/environment-provider/internal/deploykubectl"
	"github.com/harmonix-eks/environment-provider/internal/egress"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/identity"
	"github.com/harmonix-eks/environment-provider/internal/network"
	"github.com/harmonix-eks/environment-provider/internal/register"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// stackTemplate is the part of a stack template that stages deal with.
type stackTemplate struct {
	Parameters map[string]struct {
		Default        *string
		AllowedPattern string
		AllowedValues  []string
		MaxLength      int
	}
	Outputs map[string]struct{ Condition string }
}

// Each stage is run as it is, against a CloudFormation that answers with the template's own outputs.
// What it sends has to fit the template's parameters, and each field of its section has to be
// filled from an output that exists.
func TestStagesAndStackTemplates(t *testing.T) {
	cases := map[string]struct {
		reason string
		// template is the stack's, for each node type where it depends on that.
		template  string
		templates map[string]string
		// rewritten says that the stage writes parts of the request into the template.
		rewritten bool
		run       func(connector) func(context.Context, stage.Input) (any, error)
		stack     string
		// sends are some of the parameters with their values.
		sends map[string]string
		// empty are the fields of the section that stay empty, for each node type.
		empty map[string][]string
	}{
		"Bootstrap": {
			reason: "shared by all environments: no tags and no service role", template: templates.Bootstrap, stack: "EKS-ENV-Bootstrap",
			sends: map[string]string{"PlatformAccount": "111111111111"},
			empty: map[string][]string{"MANAGED": {"Before"}, "FARGATE": {"Before"}},
			run: func(c connector) func(context.Context, stage.Input) (any, error) {
				c.cloud.beside = map[string]stackTemplate{"EKS-ENV-Bootstrap-DeleteHook": parsedTemplate(t, templates.DeleteHook)}
				return section(bootstrap.New(c, masterCopy{}, bootstrapOptions()).Run)
			},
		},
		"Network": {
			reason: "new VPC", template: templates.Network, stack: "EKS-ENV-opa-dev-Network",
			sends: map[string]string{"AvailabilityZones": "us-east-1a,us-east-1b,us-east-1d", "PrivateSubnetCidrs": "10.0.0.96/27,10.0.0.128/27,10.0.0.160/27"},
			run:   func(c connector) func(context.Context, stage.Input) (any, error) { return section(network.New(c).Run) },
			empty: map[string][]string{"MANAGED": {"Isolated"}, "FARGATE": {"Isolated"}},
		},
		"Identity": {
			reason: "keys and roles", template: templates.Identity, stack: "EKS-ENV-opa-dev-Identity",
			run:   func(c connector) func(context.Context, stage.Input) (any, error) { return section(identity.New(c).Run) },
			empty: map[string][]string{"MANAGED": {"PodExecutionRoleARN"}, "FARGATE": {"NodeRoleARN"}},
		},
		"Cluster": {
			reason: "control plane", template: templates.Cluster, stack: "EKS-ENV-opa-dev-Cluster",
			run: func(c connector) func(context.Context, stage.Input) (any, error) { return section(cluster.New(c).Run) },
		},
		"Egress": {
			reason: "the ways out", template: templates.Egress, stack: "EKS-ENV-opa-dev-Egress",
			sends: map[string]string{"ZoneCount": "3", "NatGateways": "single", "PrivateRouteTableIds": "rtb-2,rtb-3,rtb-4", "RouteTableIds": "rtb-1,rtb-2,rtb-3,rtb-4"},
			run:   func(c connector) func(context.Context, stage.Input) (any, error) { return section(egress.New(c).Run) },
			// The sample's API is public, so that nothing calls for endpoints.
			empty: map[string][]string{"MANAGED": {"InterfaceEndpoints"}, "FARGATE": {"InterfaceEndpoints"}},
		},
		"Capacity": {
			reason: "what pods run on", stack: "EKS-ENV-opa-dev-Capacity", rewritten: true,
			templates: map[string]string{"MANAGED": templates.CapacityManaged, "FARGATE": templates.CapacityFargate},
			sends:     map[string]string{"SubnetIds": "subnet-4,subnet-5,subnet-6"},
			run:       func(c connector) func(context.Context, stage.Input) (any, error) { return section(capacity.New(c).Run) },
			empty:     map[string][]string{"MANAGED": {"FargateProfiles"}, "FARGATE": {"NodeGroupName"}},
		},
		"AddonRoles": {
			reason: "roles of service accounts", template: templates.AddonRoles, stack: "EKS-ENV-opa-dev-AddonRoles",
			sends: map[string]string{"Issuer": "oidc.eks.us-east-1.amazonaws.com/id/A"},
			run: func(c connector) func(context.Context, stage.Input) (any, error) {
				return section(addonroles.New(c).Run)
			},
			empty: map[string][]string{"FARGATE": {"FluentBitRoleARN"}},
		},
		"DeployKubectl": {
			reason: "the environment's own kubectl function", template: templates.Kubectl, stack: "EKS-ENV-opa-dev-Kubectl",
			sends: map[string]string{"LayerVersion": "1.36", "Architecture": "x86_64"},
			run: func(c connector) func(context.Context, stage.Input) (any, error) {
				options := deploykubectl.Options{Function: "master", Layers: map[string]string{"1.36": "arn:aws:lambda:us-east-1:111111111111:layer:kubectl-1-36:3"}}
				return section(deploykubectl.New(c, masterCopy{}, options).Run)
			},
		},
		"Register": {
			reason: "what Harmonix reads", template: templates.Provider, stack: "EKS-ENV-opa-dev-Stack",
			sends: map[string]string{
				"StarterRoleArn": "arn:starter", "StateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:m",
				"DeleteHookArn": "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-DeleteHook",
			},
			run: func(c connector) func(context.Context, stage.Input) (any, error) {
				return section(register.New(c, register.Options{StarterRoleARN: "arn:starter"}).Run)
			},
		},
	}
	for name, tc := range cases {
		for _, nodeType := range []string{"MANAGED", "FARGATE"} {
			t.Run(name+"/"+nodeType, func(t *testing.T) {
				text := tc.template
				if text == "" {
					text = tc.templates[nodeType]
				}
				parsed := parsedTemplate(t, text)
				cloud := &cloud{template: parsed, nodeType: nodeType}
				got, err := tc.run(connector{cloud})(t.Context(), sample(nodeType))
				if err != nil {
					t.Fatalf("%s: %v", tc.reason, err)
				}
				if cloud.update == nil {
					t.Fatalf("%s: the stage did not send its stack", tc.reason)
				}
				if got := cloud.update.Get("StackName"); got != tc.stack {
					t.Errorf("%s: stack %s, want %s", tc.reason, got, tc.stack)
				}
				if got := cloud.update.Get("TemplateBody"); got != text && !tc.rewritten {
					t.Errorf("%s: sends another template, %d bytes long", tc.reason, len(got))
				}
				sent := pairs(cloud.update, "Parameters", "ParameterKey", "ParameterValue")
				checkParameters(t, parsed, sent)
				for parameter, value := range tc.sends {
					if sent[parameter] != value {
						t.Errorf("%s: parameter %s is %q, want %q", tc.reason, parameter, sent[parameter], value)
					}
				}
				checkOwnership(t, name, cloud.update)
				if diff := cmp.Diff(tc.empty[nodeType], emptyFields(got)); diff != "" {
					t.Errorf("%s: empty fields (-want +got):\n%s", tc.reason, diff)
				}
			})
		}
	}
}

func parsedTemplate(t *testing.T, text string) stackTemplate {
	t.Helper()
	var parsed stackTemplate
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func bootstrapOptions() bootstrap.Options {
	return bootstrap.Options{PlatformAccount: "111111111111", DeleteHook: "hook", StarterRoleARN: "arn:starter"}
}

// The delete hook's stack belongs to no environment either, and is made with the service role.
func TestBootstrapMakesTheDeleteHook(t *testing.T) {
	const name = "EKS-ENV-Bootstrap-DeleteHook"
	hook := parsedTemplate(t, templates.DeleteHook)
	cloud := &cloud{template: parsedTemplate(t, templates.Bootstrap), beside: map[string]stackTemplate{name: hook}}
	got, err := bootstrap.New(connector{cloud}, masterCopy{}, bootstrapOptions()).Run(t.Context(), sample("FARGATE"))
	if err != nil {
		t.Fatal(err)
	}
	sent := cloud.others[name]
	parameters := pairs(sent, "Parameters", "ParameterKey", "ParameterValue")
	checkParameters(t, hook, parameters)
	want := map[string]string{
		"ArtifactBucket": "value/of/ArtifactBucket/1", "Architecture": "x86_64", "StarterRoleArn": "arn:starter", "PermissionsBoundary": "",
		"FunctionKey": "delete-hook/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.zip",
	}
	if diff := cmp.Diff(want, parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if sent.Get("TemplateBody") != templates.DeleteHook || sent.Get("RoleARN") != "value/of/ServiceRoleArn/1" || len(pairs(sent, "Tags", "Key", "Value")) > 0 {
		t.Errorf("sends another template, role or tags: %s", sent.Get("RoleARN"))
	}
	if got.DeleteHookARN != "value/of/FunctionArn/1" {
		t.Errorf("the section has %q", got.DeleteHookARN)
	}
}

// checkParameters holds what a stage sends against what the template takes.
func checkParameters(t *testing.T, parsed stackTemplate, sent map[string]string) {
	t.Helper()
	for name, p := range parsed.Parameters {
		if _, ok := sent[name]; !ok && p.Default == nil {
			t.Errorf("parameter %s is not sent and has no default", name)
		}
	}
	for name, value := range sent {
		p, ok := parsed.Parameters[name]
		switch {
		case !ok:
			t.Errorf("parameter %s is not in the template", name)
		case p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value):
			t.Errorf("parameter %s is %q, allowed are %q", name, value, p.AllowedValues)
		case p.AllowedPattern != "" && !regexp.MustCompile(`^(?:`+p.AllowedPattern+`)$`).MatchString(value):
			t.Errorf("parameter %s is %q, allowed is %s", name, value, p.AllowedPattern)
		case p.MaxLength > 0 && len(value) > p.MaxLength:
			t.Errorf("parameter %s has %d characters, allowed are %d", name, len(value), p.MaxLength)
		case value == "" && p.Default == nil:
			t.Errorf("parameter %s is empty", name)
		case strings.Contains(value, "<nil>") || strings.HasPrefix(value, ",") || strings.HasSuffix(value, ","):
			t.Errorf("parameter %s is %q", name, value)
		}
	}
}

// checkOwnership looks at the stack's tags and service role. The bootstrap stack makes that role and
// belongs to no environment.
func checkOwnership(t *testing.T, name string, update url.Values) {
	t.Helper()
	role, tags := "arn:aws:iam::222222222222:role/EKS-ENV-CloudFormation-us-east-1", map[string]string{"eks-environment": "opa-dev", "cost-center": "4711"}
	if name == "Bootstrap" {
		role, tags = "", map[string]string{}
	}
	if got := update.Get("RoleARN"); got != role {
		t.Errorf("service role: got %q, want %q", got, role)
	}
	if diff := cmp.Diff(tags, pairs(update, "Tags", "Key", "Value")); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// section drops the type of a stage's section.
func section[Out any](run func(context.Context, stage.Input) (Out, error)) func(context.Context, stage.Input) (any, error) {
	return func(ctx context.Context, in stage.Input) (any, error) { return run(ctx, in) }
}

// emptyFields names the fields of a section that hold nothing.
func emptyFields(section any) []string {
	var empty []string
	value := reflect.Indirect(reflect.ValueOf(section))
	for i := range value.NumField() {
		field := value.Field(i)
		if value.Type().Field(i).Anonymous {
			continue
		}
		blank := field.IsZero() || field.Kind() == reflect.Map && field.Len() == 0
		if texts, ok := field.Interface().([]string); ok {
			blank = slices.Contains(texts, "") || len(texts) == 0
		}
		if blank {
			empty = append(empty, value.Type().Field(i).Name)
		}
	}
	return empty
}

// sample is the input of a stage with every section before it filled.
func sample(nodeType string) stage.Input {
	role := func(name string) string { return "arn:aws:iam::222222222222:role/opa-dev-" + name }
	request := environment.Request{
		Name: "dev", Prefix: "opa", AccountID: "222222222222", Region: "us-east-1",
		EnvironmentRole: "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole",
		PlatformRole:    "arn:aws:iam::111111111111:role/opa-platform", PipelineRole: "arn:aws:iam::111111111111:role/opa-pipeline",
		VPCConfiguration: "create_new", APIAccess: "public_and_private", NodeType: nodeType, KubernetesVersion: "1.36",
		AssumableRoles: []string{"arn:aws:iam::222222222222:role/extra"}, Tags: map[string]string{"cost-center": "4711"},
	}.WithDefaults()
	identity := &environment.Identity{
		KeyARN: "arn:aws:kms:us-east-1:222222222222:key/a", SecretsKeyARN: "arn:aws:kms:us-east-1:222222222222:key/b", AuditTable: "opa-dev-audit",
		OperationsRoleARN: role("operations"), ProvisioningRoleARN: role("provisioning"), ControlPlaneRoleARN: role("control-plane"),
		ClusterAdminRoleARN: role("admin"), KubectlRoleARN: role("kubectl"),
	}
	addons := &environment.AddonRoles{LoadBalancerControllerRoleARN: role("load-balancer-controller")}
	if nodeType == "MANAGED" {
		identity.NodeRoleARN, addons.FluentBitRoleARN = role("node"), role("fluent-bit")
	} else {
		identity.PodExecutionRoleARN = role("pod-execution")
	}
	return stage.Input{
		Entered: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		State: environment.State{
			Execution: environment.Execution{ARN: "arn:aws:states:us-east-1:111111111111:execution:m:e"},
			Request:   request,
			Names:     environment.NamesOf(request),
			Bootstrap: &environment.Bootstrap{ServiceRoleARN: "arn:aws:iam::222222222222:role/EKS-ENV-CloudFormation-us-east-1", ArtifactBucket: "eks-env-artifacts-222222222222-us-east-1", DeleteHookARN: "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-DeleteHook"},
			Network: &environment.Network{
				VPCID: "vpc-1", PublicSubnetIDs: []string{"subnet-1", "subnet-2", "subnet-3"}, PrivateSubnetIDs: []string{"subnet-4", "subnet-5", "subnet-6"},
				PublicRouteTableID: "rtb-1", PrivateRouteTableIDs: []string{"rtb-2", "rtb-3", "rtb-4"},
				ControlPlaneSecurityGroupID: "sg-1", KubectlSecurityGroupID: "sg-2",
			},
			Identity: identity,
			Cluster: &environment.Cluster{
				ARN: "arn:aws:eks:us-east-1:222222222222:cluster/opa-dev-cluster", Endpoint: "https://example.com", Version: "1.36",
				SecurityGroupID: "sg-3", Issuer: "oidc.eks.us-east-1.amazonaws.com/id/A", OIDCProviderARN: "arn:aws:iam::222222222222:oidc-provider/a",
			},
			Kubectl:    &environment.Kubectl{FunctionARN: "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-dev-kubectl", LayerVersion: "1.36"},
			Egress:     &environment.Egress{},
			Access:     &environment.Access{},
			AddonRoles: addons,
		},
	}
}

// connector hands out a configuration whose calls all end at the cloud.
type connector struct{ cloud *cloud }

func (c connector) Connect(_ context.Context, t account.Target) (aws.Config, error) {
	return aws.Config{
		Region:      t.Region,
		HTTPClient:  c.cloud,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}, nil
}

// cloud answers for AWS. Its one stack exists, lacks every parameter, and finds nothing to do when
// it is updated: so a stage shows what it sends and is done at once.
type cloud struct {
	template stackTemplate
	nodeType string
	update   url.Values
	// beside are the templates of further stacks that the stage converges, others is what it sends for them.
	beside map[string]stackTemplate
	others map[string]url.Values
}

// Do implements aws.HTTPClient.
func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	status, body := c.answer(r)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (c *cloud) answer(r *http.Request) (int, string) {
	host, _, _ := strings.Cut(r.URL.Host, ".us-east-1.")
	switch host {
	case "eks":
		return http.StatusNotFound, `{"__type": "ResourceNotFoundException", "message": "No cluster found for name: opa-dev-cluster."}`
	case "eks-env-artifacts-222222222222-us-east-1.s3", "s3":
		return http.StatusOK, ""
	case "ec2":
		text, err := io.ReadAll(r.Body)
		form, parseErr := url.ParseQuery(string(text))
		if err == nil && parseErr == nil {
			return http.StatusOK, describe(form)
		}
	case "cloudformation":
		text, err := io.ReadAll(r.Body)
		form, parseErr := url.ParseQuery(string(text))
		if err == nil && parseErr == nil {
			return c.cloudFormation(form)
		}
	}
	return http.StatusNotImplemented, "unexpected call to " + r.URL.String()
}

func (c *cloud) cloudFormation(form url.Values) (int, string) {
	action := form.Get("Action")
	result := ""
	name, template := form.Get("StackName"), c.template
	further, isFurther := c.beside[name]
	if isFurther {
		template = further
	}
	switch action {
	case "DescribeStacks":
		result = "<Stacks><member><StackName>s</StackName><StackId>arn:s</StackId><StackStatus>CREATE_COMPLETE</StackStatus>" +
			"<CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>" + c.outputs(template) + "</Outputs></member></Stacks>"
	case "UpdateStack":
		if isFurther {
			c.others = map[string]url.Values{name: form}
		} else {
			c.update = form
		}
		return http.StatusBadRequest, "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>" +
			"<Message>No updates are to be performed.</Message></Error></ErrorResponse>"
	case "GetTemplate":
		result = "<TemplateBody>{}</TemplateBody>"
	case "DescribeStackEvents", "GetStackPolicy", "SetStackPolicy":
	default:
		return http.StatusNotImplemented, "unexpected action " + action
	}
	return http.StatusOK, fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, result)
}

// outputs are those of the template whose condition holds, each with a value of its own. It has as
// many parts as the ARN of a node group, in which a stage looks for the name.
func (c *cloud) outputs(template stackTemplate) string {
	managed := c.nodeType == "MANAGED"
	holds := map[string]bool{"": true, "Managed": managed, "ManagedNodes": managed, "Fargate": !managed}
	var text strings.Builder
	for name, o := range template.Outputs {
		if !holds[o.Condition] {
			continue
		}
		text.WriteString("<member><OutputKey>")
		_ = xml.EscapeText(&text, []byte(name))
		text.WriteString("</OutputKey><OutputValue>value/of/" + name + "/1</OutputValue></member>")
	}
	return text.String()
}

// pairs reads a list of keys and values from a query such as Tags.member.1.Key=a&Tags.member.1.Value=b.
func pairs(form url.Values, list, key, value string) map[string]string {
	found := map[string]string{}
	for i := 1; form.Has(fmt.Sprintf("%s.member.%d.%s", list, i, key)); i++ {
		found[form.Get(fmt.Sprintf("%s.member.%d.%s", list, i, key))] = form.Get(fmt.Sprintf("%s.member.%d.%s", list, i, value))
	}
	return found
}

// masterCopy is the orchestrator's kubectl function with its layer.
type masterCopy struct{}

func (masterCopy) GetFunction(context.Context, *lambda.GetFunctionInput, ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error) {
	return &lambda.GetFunctionOutput{
		Code: &lambdatypes.FunctionCodeLocation{Location: aws.String("https://example.com/function.zip")},
		Configuration: &lambdatypes.FunctionConfiguration{
			CodeSha256:    aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
			Architectures: []lambdatypes.Architecture{lambdatypes.ArchitectureX8664},
		},
	}, nil
}

func (masterCopy) GetLayerVersion(context.Context, *lambda.GetLayerVersionInput, ...func(*lambda.Options)) (*lambda.GetLayerVersionOutput, error) {
	return &lambda.GetLayerVersionOutput{Content: &lambdatypes.LayerVersionContentOutput{
		CodeSha256: aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Location: aws.String("https://example.com/layer.zip"),
	}}, nil
}

// CloudFormation takes a template up to 51,200 bytes in the call itself (aws-traps.md, row 1.62).
func TestStackTemplatesFitACall(t *testing.T) {
	for name, text := range map[string]string{
		"bootstrap": templates.Bootstrap, "deletehook": templates.DeleteHook, "network": templates.Network, "identity": templates.Identity,
		"cluster": templates.Cluster, "kubectl": templates.Kubectl, "provider": templates.Provider,
		"egress": templates.Egress, "addonroles": templates.AddonRoles,
		"capacity-managed": templates.CapacityManaged, "capacity-fargate": templates.CapacityFargate,
	} {
		if len(text) >= 51_200 {
			t.Errorf("%s.json: %d bytes", name, len(text))
		}
	}
}
