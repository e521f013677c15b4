package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

var (
	_ parameterAPI = (*ssm.Client)(nil)
	_ versionAPI   = (*eks.Client)(nil)
	_ connector    = (*account.Connector)(nil)
	_ describer    = (*stack.Engine)(nil)
)

type fakeConnector struct {
	err     error
	targets []account.Target
}

func (f *fakeConnector) Connect(_ context.Context, t account.Target) (aws.Config, error) {
	f.targets = append(f.targets, t)
	return aws.Config{Region: t.Region}, f.err
}

// fakeParameters maps names to values; a nil map answers AccessDenied.
type fakeParameters map[string]string

func (f fakeParameters) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if f == nil {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: ssm:GetParameter"}
	}
	value, ok := f[aws.ToString(in.Name)]
	if !ok {
		return nil, &ssmtypes.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Value: &value}}, nil
}

// fakeVersions answers one version a page.
type fakeVersions struct {
	versions []ekstypes.ClusterVersionInformation
	err      error
	// live is the cluster's version, empty where there is none.
	live string
}

func (f fakeVersions) DescribeCluster(_ context.Context, in *eks.DescribeClusterInput, _ ...func(*eks.Options)) (*eks.DescribeClusterOutput, error) {
	if f.live == "" || aws.ToString(in.Name) != "opa-development-cluster" {
		return nil, &ekstypes.ResourceNotFoundException{}
	}
	return &eks.DescribeClusterOutput{Cluster: &ekstypes.Cluster{Version: &f.live}}, nil
}

func (f fakeVersions) DescribeClusterVersions(_ context.Context, in *eks.DescribeClusterVersionsInput, _ ...func(*eks.Options)) (*eks.DescribeClusterVersionsOutput, error) {
	if f.err != nil || len(f.versions) == 0 {
		return &eks.DescribeClusterVersionsOutput{}, f.err
	}
	page := len(aws.ToString(in.NextToken))
	out := &eks.DescribeClusterVersionsOutput{ClusterVersions: f.versions[page : page+1]}
	if page+1 < len(f.versions) {
		out.NextToken = aws.String(strings.Repeat("x", page+1))
	}
	return out, nil
}

// fakeStacks are the environment's stacks by name.
type fakeStacks map[string]stack.Description

func (f fakeStacks) Describe(_ context.Context, name string) (stack.Description, bool, error) {
	d, ok := f[name]
	return d, ok, nil
}

// fakeZones are the zones of a region, in the order of their ids.
type fakeZones []string

func (f fakeZones) DescribeAvailabilityZones(context.Context, *ec2.DescribeAvailabilityZonesInput, ...func(*ec2.Options)) (*ec2.DescribeAvailabilityZonesOutput, error) {
	out := &ec2.DescribeAvailabilityZonesOutput{}
	for _, zone := range f {
		out.AvailabilityZones = append(out.AvailabilityZones, ec2types.AvailabilityZone{ZoneName: aws.String(zone), ZoneId: aws.String(zone)})
	}
	return out, nil
}

func threeZones(aws.Config) zoneAPI { return fakeZones{"eu-west-1a", "eu-west-1b", "eu-west-1c"} }

func noStacks(aws.Config) describer { return fakeStacks{} }

func offers(minor string, status ekstypes.VersionStatus, preferred bool) ekstypes.ClusterVersionInformation {
	return ekstypes.ClusterVersionInformation{ClusterVersion: &minor, VersionStatus: status, DefaultVersion: preferred}
}

func layers() []string { return []string{"1.34", "1.35", "1.36", "1.38"} }

func offered() []ekstypes.ClusterVersionInformation {
	return []ekstypes.ClusterVersionInformation{
		offers("1.36", ekstypes.VersionStatusStandardSupport, true),
		offers("1.35", ekstypes.VersionStatusStandardSupport, false),
		offers("1.34", ekstypes.VersionStatusStandardSupport, false),
		offers("1.33", ekstypes.VersionStatusExtendedSupport, false),
		offers("1.30", ekstypes.VersionStatusUnsupported, false),
	}
}

const (
	platformRole = "arn:aws:iam::111111111111:role/opa-platform"
	pipelineRole = "arn:aws:iam::111111111111:role/opa-pipeline"
)

func request() map[string]any {
	return map[string]any{
		"name": "development", "prefix": "opa", "awsAccountID": "222222222222", "awsRegion": "eu-west-1",
		"environmentRole":  "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole",
		"vpcConfiguration": "create_new", "apiAccess": "public_and_private", "nodeType": "FARGATE",
	}
}

func input(t *testing.T, change map[string]any) Input {
	t.Helper()
	r := request()
	for k, v := range change {
		r[k] = v
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return Input{
		Execution: environment.Execution{ARN: "arn:aws:states:us-east-1:111111111111:execution:m:e", Name: "e", StartTime: time.Unix(0, 0).UTC()},
		Input:     raw,
	}
}

func TestRun(t *testing.T) {
	want := environment.Request{
		Operation: "apply", OnFailure: "keep", Name: "development", Prefix: "opa", AccountID: "222222222222", Region: "eu-west-1",
		EnvironmentRole: "arn:aws:iam::222222222222:role/EKS-ENV-EnvironmentRole",
		PlatformRole:    platformRole, PipelineRole: pipelineRole,
		VPCConfiguration: "create_new", CIDR: "10.0.0.0/24", NATGateways: "single",
		APIAccess: "public_and_private", APIAccessCIDRs: "0.0.0.0/0", KubernetesVersion: "1.36", NodeType: "FARGATE",
		FargateSelectors: []environment.FargateSelector{{Namespace: "kube-system"}, {Namespace: "default"}, {Namespace: "*"}},
	}
	parameters := fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole}
	cases := map[string]struct {
		reason     string
		change     map[string]any
		parameters fakeParameters
		versions   []ekstypes.ClusterVersionInformation
		want       func(*environment.Request)
		warnings   int
	}{
		"Defaults":     {"roles from SSM, the default version", nil, parameters, offered(), func(*environment.Request) {}, 0},
		"RolesGiven":   {"SSM is not asked for what is given", map[string]any{"platformRole": platformRole, "pipelineRole": pipelineRole}, nil, offered(), func(*environment.Request) {}, 0},
		"OtherVersion": {"any version in standard support", map[string]any{"kubernetesVersion": "1.34"}, parameters, offered(), func(r *environment.Request) { r.KubernetesVersion = "1.34" }, 0},
		"DefaultGone": {
			"EKS' default replaces a default it has left behind", nil, parameters,
			[]ekstypes.ClusterVersionInformation{offers("1.39", ekstypes.VersionStatusStandardSupport, false), offers("1.38", ekstypes.VersionStatusStandardSupport, true)},
			func(r *environment.Request) { r.KubernetesVersion = "1.38" }, 1,
		},
		"Warning": {"warnings travel in the state", map[string]any{"cidr": "172.17.0.0/16"}, parameters, offered(), func(r *environment.Request) { r.CIDR = "172.17.0.0/16" }, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := &fakeConnector{}
			s := &Stage{connector: c, parameters: tc.parameters, layers: append(layers(), "1.39"), trusted: []string{"222222222222"}, stacks: noStacks, zones: threeZones, versions: func(cfg aws.Config) versionAPI {
				if cfg.Region != "eu-west-1" {
					t.Errorf("%s: EKS is asked in %q", tc.reason, cfg.Region)
				}
				return fakeVersions{versions: tc.versions}
			}}
			in := input(t, tc.change)
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatalf("%s: Run: %v", tc.reason, err)
			}
			want := want
			tc.want(&want)
			if diff := cmp.Diff(want, got.Request); diff != "" {
				t.Errorf("%s: Run: request: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(in.Execution, got.Execution); diff != "" {
				t.Errorf("%s: Run: execution: -want, +got:\n%s", tc.reason, diff)
			}
			if got.Names.Cluster != "opa-development-cluster" {
				t.Errorf("%s: Run: names: got %+v", tc.reason, got.Names)
			}
			if len(got.Findings) != tc.warnings {
				t.Errorf("%s: Run: got findings %v, want %d", tc.reason, got.Findings, tc.warnings)
			}
			if len(c.targets) != 1 || c.targets[0].Region != "eu-west-1" || c.targets[0].AccountID != "222222222222" {
				t.Errorf("%s: Run: connected to %+v", tc.reason, c.targets)
			}
		})
	}
}

// A cluster that runs already keeps its version unless another is asked for.
func TestLiveVersion(t *testing.T) {
	cases := map[string]struct {
		reason, live, asked, want string
		warnings                  int
		says                      []string
	}{
		"NotAsked":         {reason: "no upgrade that nobody asked for", live: "1.35", want: "1.35"},
		"NotAskedExtended": {reason: "a cluster grown old is not refused", live: "1.33", want: "1.33"},
		"NotAskedNewer":    {reason: "EKS may have upgraded it", live: "1.38", want: "1.38"},
		"Same":             {reason: "a re-apply", live: "1.35", asked: "1.35", want: "1.35"},
		"SameExtended":     {reason: "the version is live, whatever its support", live: "1.33", asked: "1.33", want: "1.33"},
		"Upgrade":          {reason: "the next one", live: "1.35", asked: "1.36", want: "1.36"},
		"Below":            {reason: "never down", live: "1.36", asked: "1.35", says: []string{`got "1.35"`, "runs, 1.36", "ask for 1.36, or leave the field out", "not taken back"}},
		"Skips":            {reason: "EKS upgrades one minor version at a time", live: "1.34", asked: "1.36", says: []string{`got "1.36"`, "runs, 1.34", "ask for 1.35 first"}},
		"ToUnknown":        {reason: "EKS does not have it", live: "1.38", asked: "1.39", says: []string{"standard support in eu-west-1: 1.34, 1.35, 1.36"}},
		"NoLayer":          {reason: "an orchestrator that cannot work with the cluster", live: "1.32", says: []string{"a cluster that runs 1.32", "1.33, 1.34", "deploy an orchestrator with a layer"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &Stage{
				connector: &fakeConnector{}, parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
				layers: append([]string{"1.33"}, layers()...), trusted: []string{"222222222222"},
				stacks: noStacks, zones: threeZones, versions: func(aws.Config) versionAPI { return fakeVersions{versions: offered(), live: tc.live} },
			}
			var change map[string]any
			if tc.asked != "" {
				change = map[string]any{"kubernetesVersion": tc.asked}
			}
			got, err := s.Run(t.Context(), input(t, change))
			if len(tc.says) > 0 {
				f := fault.As(err)
				if err == nil || f.Code != fault.InvalidRequest || f.Field != "/kubernetesVersion" {
					t.Fatalf("%s: got %s, %v", tc.reason, got.Request.KubernetesVersion, err)
				}
				for _, text := range tc.says {
					if !strings.Contains(f.Message, text) {
						t.Errorf("%s: the error lacks %q:\n%s", tc.reason, text, f.Message)
					}
				}
				return
			}
			if err != nil || got.Request.KubernetesVersion != tc.want || len(got.Findings) != tc.warnings {
				t.Errorf("%s: got %s with findings %v, %v", tc.reason, got.Request.KubernetesVersion, got.Findings, err)
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	denied := fault.New(fault.AccessDenied, "not authorized to perform: sts:AssumeRole")
	cases := map[string]struct {
		reason     string
		in         map[string]any
		raw        string
		connect    error
		parameters fakeParameters
		versions   fakeVersions
		code       fault.Code
		field      string
		want       []string
	}{
		"Invalid": {
			reason: "the request's own errors come first", in: map[string]any{"cidr": "10.0.0.7/24"}, connect: denied,
			code: fault.InvalidRequest, field: "/cidr", want: []string{`did you mean "10.0.0.0/24"?`},
		},
		"Null": {reason: "an execution without input", raw: "null", code: fault.InvalidRequest, want: []string{"null arrived as request"}},
		"NoRoles": {
			reason: "both roles and the version in one answer", in: map[string]any{"kubernetesVersion": "1.33"}, parameters: fakeParameters{},
			versions: fakeVersions{versions: offered()}, code: fault.InvalidRequest, field: "/kubernetesVersion",
			want: []string{
				"3 things are wrong", "/platformRole: got nothing, and there is no SSM parameter /opa/platform-role", "/pipelineRole: got nothing",
				"send the field, or put the role's ARN into the SSM parameter /opa/pipeline-role", "eu-west-1: 1.34, 1.35, 1.36", "extended support",
			},
		},
		"RoleNonsense": {
			reason: "a parameter that holds no ARN", parameters: fakeParameters{"/opa/platform-role": "backstage", "/opa/pipeline-role": pipelineRole},
			versions: fakeVersions{versions: offered()}, code: fault.InvalidRequest, field: "/platformRole",
			want: []string{`got "backstage" from the SSM parameter /opa/platform-role`},
		},
		"ParametersDenied": {
			reason: "the function may not read SSM", parameters: nil, code: fault.AccessDenied,
			want: []string{"cannot read the SSM parameter /opa/platform-role of"},
		},
		"RoleDenied": {
			reason: "the role cannot be assumed", connect: denied, parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			code: fault.AccessDenied, field: "/environmentRole",
			want: []string{"role/EKS-ENV-EnvironmentRole", "without an ExternalId", "infra/environment-role.yaml"},
		},
		"RoleDeniedWithID": {
			reason: "the external id may be wrong; it is not repeated", in: map[string]any{"externalId": "s3cret"}, connect: denied,
			parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			code:       fault.AccessDenied, field: "/environmentRole", want: []string{"with the request's externalId"},
		},
		"NoRolesAndDenied": {
			reason: "both are said", connect: denied, parameters: fakeParameters{},
			code: fault.PreflightFailed, field: "/environmentRole", want: []string{"/platformRole: got nothing", "/pipelineRole: got nothing", "- /environmentRole: cannot assume the environment role"},
		},
		"Throttled": {
			reason: "a retried code is kept", connect: fault.New(fault.Throttled, "slow down"), parameters: fakeParameters{},
			code: fault.Throttled,
		},
		"VersionUnknown": {
			reason: "a version that EKS never had", in: map[string]any{"kubernetesVersion": "1.99"}, versions: fakeVersions{versions: offered()},
			parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			code:       fault.InvalidRequest, field: "/kubernetesVersion", want: []string{`got "1.99", allowed: the versions in EKS' standard support in eu-west-1: 1.34, 1.35, 1.36`},
		},
		"VersionWithoutLayer": {
			reason: "the orchestrator has no kubectl for it", in: map[string]any{"kubernetesVersion": "1.37"},
			versions:   fakeVersions{versions: append(offered(), offers("1.37", ekstypes.VersionStatusStandardSupport, false))},
			parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			code:       fault.InvalidRequest, field: "/kubernetesVersion", want: []string{"1.34, 1.35, 1.36", "deploy an orchestrator with a layer for this version"},
		},
		"NoLayers": {
			reason: "the orchestrator is too old for what EKS supports", parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			versions: fakeVersions{versions: []ekstypes.ClusterVersionInformation{offers("1.40", ekstypes.VersionStatusStandardSupport, true)}},
			code:     fault.PreflightFailed, field: "/kubernetesVersion", want: []string{"EKS supports Kubernetes 1.40", "deploy a newer orchestrator"},
		},
		"NoVersions": {
			reason: "a region that is not enabled", parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			code: fault.PreflightFailed, field: "/awsRegion", want: []string{"eu-west-1"},
		},
		"VersionsDenied": {
			reason: "the environment role lacks a permission", parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			versions: fakeVersions{err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}},
			code:     fault.AccessDenied, want: []string{"cannot read the Kubernetes versions that EKS offers in eu-west-1 of account 222222222222: "},
		},
		"RegionNotEnabled": {
			reason: "an opt-in region", parameters: fakeParameters{"/opa/platform-role": platformRole, "/opa/pipeline-role": pipelineRole},
			versions: fakeVersions{err: &smithy.GenericAPIError{Code: "UnrecognizedClientException", Message: "no"}},
			code:     fault.PreflightFailed, field: "/awsRegion", want: []string{"cannot use the region eu-west-1", "enable the region"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(t, tc.in)
			if tc.raw != "" {
				in.Input = json.RawMessage(tc.raw)
			}
			s := &Stage{
				connector: &fakeConnector{err: tc.connect}, parameters: tc.parameters,
				stacks: noStacks, zones: threeZones, versions: func(aws.Config) versionAPI { return tc.versions }, layers: layers(),
			}
			got, err := s.Run(t.Context(), in)
			if !errors.Is(err, &fault.Error{Code: tc.code}) {
				t.Fatalf("%s: Run: got %+v and error %v, want %s", tc.reason, got, err, tc.code)
			}
			f := fault.As(err)
			if f.Field != tc.field {
				t.Errorf("%s: Run: got field %q, want %q", tc.reason, f.Field, tc.field)
			}
			text := f.Message + "\n" + f.Next
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: Run: the error lacks %q:\n%s", tc.reason, want, text)
				}
			}
			if strings.Contains(text, "s3cret") {
				t.Errorf("%s: Run: the external id is in the error:\n%s", tc.reason, text)
			}
		})
	}
}
