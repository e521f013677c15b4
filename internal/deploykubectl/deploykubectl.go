// Package deploykubectl gives an environment its own copy of the kubectl function, in its own VPC,
// account and region: code and layer are copied from the orchestrator's master function into the
// target's artifact bucket, and a stack makes function and layer version from there
// (design, decision 7).
package deploykubectl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/harmonix-eks/environment-provider/infra/templates"
	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/artifact"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stage"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

// master is the part of Lambda that knows the orchestrator's own kubectl function.
type master interface {
	GetFunction(ctx context.Context, in *lambda.GetFunctionInput, opts ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error)
	GetLayerVersion(ctx context.Context, in *lambda.GetLayerVersionInput, opts ...func(*lambda.Options)) (*lambda.GetLayerVersionOutput, error)
}

// Options say where the master copies are.
type Options struct {
	// Function is the name or ARN of the orchestrator's kubectl function.
	Function string
	// Layers holds the ARN of the kubectl layer version for each Kubernetes minor version.
	Layers map[string]string
}

// Stage is the DeployKubectl stage.
type Stage struct {
	connector target.Connector
	master    master
	options   Options
}

// New returns the stage. m answers for the orchestrator's own account and region.
func New(c target.Connector, m master, o Options) *Stage {
	return &Stage{connector: c, master: m, options: o}
}

// Run copies what the target's bucket lacks and converges the kubectl stack. It needs the network
// core and the roles but not the cluster, and so runs beside it.
func (s *Stage) Run(ctx context.Context, in stage.Input) (*environment.Kubectl, error) {
	t, err := target.Connect(ctx, s.connector, in)
	if err != nil {
		return nil, err
	}
	version, layer, err := s.layer(ctx, in.State.Request.KubernetesVersion)
	if err != nil {
		return nil, err
	}
	function, err := s.master.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &s.options.Function})
	if err != nil {
		return nil, account.Classify(err, "read the orchestrator's function %s", s.options.Function)
	}
	put := artifact.In(s3.NewFromConfig(t.Config), in.State.Bootstrap.ArtifactBucket).Put
	if in.State.Request.Plans() {
		put = artifact.KeyOnly
	}
	functionKey, err := put(ctx, "kubectl-function", aws.ToString(function.Configuration.CodeSha256), aws.ToString(function.Code.Location))
	if err != nil {
		return nil, err
	}
	layerKey, err := put(ctx, "kubectl-layer", aws.ToString(layer.Content.CodeSha256), aws.ToString(layer.Content.Location))
	if err != nil {
		return nil, err
	}
	architecture := string(function.Configuration.Architectures[0])
	spec := t.Spec(in.State.Names.KubectlStack, templates.Kubectl,
		Parameters(in.State, code{functionKey: functionKey, layerKey: layerKey, layerVersion: version, architecture: architecture}))
	out, err := t.Stacks.Converge(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &environment.Kubectl{
		Progress:     out.Progress(),
		FunctionARN:  out.Outputs["FunctionArn"],
		LayerVersion: version,
	}, nil
}

// layer chooses the layer of the version that the cluster has once this execution is over, because
// kubectl may differ from the API server by one minor version only. Preflight has decided that
// version, which the Cluster stage goes to at the same time.
func (s *Stage) layer(ctx context.Context, version string) (string, *lambda.GetLayerVersionOutput, error) {
	arn, ok := s.options.Layers[version]
	if !ok {
		have := slices.Sorted(maps.Keys(s.options.Layers))
		return "", nil, fault.New(fault.PreflightFailed, "the orchestrator has no kubectl layer for Kubernetes %s, only for %s", version, strings.Join(have, ", ")).
			WithField("/kubernetesVersion").WithNext("ask for one of these versions, or deploy an orchestrator that has the layer")
	}
	name, number, err := splitVersion(arn)
	if err != nil {
		return "", nil, err
	}
	layer, err := s.master.GetLayerVersion(ctx, &lambda.GetLayerVersionInput{LayerName: &name, VersionNumber: &number})
	if err != nil {
		return "", nil, account.Classify(err, "read the orchestrator's layer %s", arn)
	}
	return version, layer, nil
}

// splitVersion divides the ARN of a layer version into the layer's ARN and the version's number.
func splitVersion(arn string) (layer string, number int64, err error) {
	at := strings.LastIndex(arn, ":")
	if number, err = strconv.ParseInt(arn[at+1:], 10, 64); err != nil || at < 0 {
		return "", 0, fault.New(fault.Internal, "KUBECTL_LAYERS holds %q, which is not the ARN of a layer version", arn)
	}
	return arn[:at], number, nil
}

// code says which artifacts the environment's copy is made of.
type code struct{ functionKey, layerKey, layerVersion, architecture string }

// Parameters are the kubectl template's parameters for st.
func Parameters(st environment.State, c code) map[string]string {
	return map[string]string{
		"Prefix":          st.Request.Prefix,
		"Name":            st.Request.Name,
		"ArtifactBucket":  st.Bootstrap.ArtifactBucket,
		"FunctionKey":     c.functionKey,
		"LayerKey":        c.layerKey,
		"LayerVersion":    c.layerVersion,
		"Architecture":    c.architecture,
		"RoleArn":         st.Identity.KubectlRoleARN,
		"SubnetIds":       strings.Join(st.Network.PrivateSubnetIDs, ","),
		"SecurityGroupId": st.Network.KubectlSecurityGroupID,
		"AssumableRoles":  strings.Join(AssumableRoles(st), ","),
	}
}

// AssumableRoles lists the ARNs, as patterns, of the roles that the function may take on: the
// environment's own, the administrator roles of Harmonix' applications, and what the request adds
// (design, decision 9). The function checks them besides its IAM policy.
func AssumableRoles(st environment.State) []string {
	var roles []string
	for _, name := range environment.AssumableRoleNames(st.Names.Environment) {
		roles = append(roles, fmt.Sprintf("arn:aws:iam::%s:role/%s", st.Request.AccountID, name))
	}
	if admin := st.Request.ClusterAdminRole; admin != "" {
		roles = append(roles, admin)
	}
	return append(roles, st.Request.AssumableRoles...)
}
