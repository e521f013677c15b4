package deploykubectl

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/target"
)

var (
	_ master           = (*lambda.Client)(nil)
	_ target.Connector = (*account.Connector)(nil)
)

func state() environment.State {
	return environment.State{
		Request:   environment.Request{Prefix: "opa", Name: "dev", AccountID: "222222222222"},
		Names:     environment.Names{Environment: "opa-dev"},
		Bootstrap: &environment.Bootstrap{ArtifactBucket: "bucket"},
		Network:   &environment.Network{PublicSubnetIDs: []string{"pub-1"}, PrivateSubnetIDs: []string{"priv-1", "priv-2"}, KubectlSecurityGroupID: "sg-kubectl", ControlPlaneSecurityGroupID: "sg-control-plane"},
		Identity:  &environment.Identity{KubectlRoleARN: "arn:kubectl"},
	}
}

func TestParameters(t *testing.T) {
	want := map[string]string{
		"Prefix": "opa", "Name": "dev", "ArtifactBucket": "bucket", "FunctionKey": "f.zip", "LayerKey": "l.zip", "LayerVersion": "1.36",
		"Architecture": "arm64", "RoleArn": "arn:kubectl", "SubnetIds": "priv-1,priv-2", "SecurityGroupId": "sg-kubectl",
		"AssumableRoles": "arn:aws:iam::222222222222:role/opa-dev-*,arn:aws:iam::222222222222:role/*-eks-resources-*",
	}
	got := Parameters(state(), code{functionKey: "f.zip", layerKey: "l.zip", layerVersion: "1.36", architecture: "arm64"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Harmonix' application administrators are named {app}-eks-resources-… (design, decision 9).
func TestAssumableRoles(t *testing.T) {
	own := []string{"arn:aws:iam::222222222222:role/opa-dev-*", "arn:aws:iam::222222222222:role/*-eks-resources-*"}
	cases := map[string]struct {
		reason, admin string
		more          []string
		want          []string
	}{
		"Own":      {reason: "nothing else is assumed", want: own},
		"Supplied": {reason: "a supplied administrator has any name", admin: "arn:aws:iam::222222222222:role/boss", want: append(own[:2:2], "arn:aws:iam::222222222222:role/boss")},
		"More":     {reason: "the request may add roles", more: []string{"arn:a", "arn:b"}, want: append(own[:2:2], "arn:a", "arn:b")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := state()
			s.Request.ClusterAdminRole, s.Request.AssumableRoles = tc.admin, tc.more
			if diff := cmp.Diff(tc.want, AssumableRoles(s)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSplitVersion(t *testing.T) {
	cases := map[string]struct {
		reason, arn, layer string
		number             int64
		code               fault.Code
	}{
		"Version": {reason: "the last part is the number", arn: "arn:aws:lambda:us-east-1:111111111111:layer:kubectl-1-36:12", layer: "arn:aws:lambda:us-east-1:111111111111:layer:kubectl-1-36", number: 12},
		"Layer":   {reason: "a layer without version", arn: "arn:aws:lambda:us-east-1:111111111111:layer:kubectl-1-36", code: "Internal"},
		"Number":  {reason: "a number alone", arn: "12", code: "Internal"},
		"Empty":   {reason: "a variable that is not set", arn: "", code: "Internal"},
		"NoEnd":   {reason: "an ARN that was cut off", arn: "arn:aws:", code: "Internal"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			layer, number, err := splitVersion(tc.arn)
			if code := fault.CodeOf(err); code != tc.code || layer != tc.layer || number != tc.number {
				t.Errorf("%s: got %q, %d, %q (%v)", tc.reason, layer, number, code, err)
			}
		})
	}
}

// layers answers for every layer version and keeps which one was asked for.
type layers struct{ asked string }

func (*layers) GetFunction(context.Context, *lambda.GetFunctionInput, ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error) {
	return &lambda.GetFunctionOutput{}, nil
}

func (l *layers) GetLayerVersion(_ context.Context, in *lambda.GetLayerVersionInput, _ ...func(*lambda.Options)) (*lambda.GetLayerVersionOutput, error) {
	l.asked = aws.ToString(in.LayerName)
	return &lambda.GetLayerVersionOutput{}, nil
}

func TestLayer(t *testing.T) {
	cases := map[string]struct {
		reason, version string
		asked           string
		code            fault.Code
	}{
		"Newer":   {reason: "the version that the cluster goes to at the same time", version: "1.36", asked: "arn:layer-36"},
		"Older":   {reason: "as above", version: "1.35", asked: "arn:layer-35"},
		"Unknown": {reason: "an orchestrator without that layer", version: "1.34", code: "PreflightFailed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := &layers{}
			s := New(nil, m, Options{Layers: map[string]string{"1.36": "arn:layer-36:2", "1.35": "arn:layer-35:9"}})
			version, _, err := s.layer(t.Context(), tc.version)
			if code := fault.CodeOf(err); code != tc.code || err == nil && version != tc.version || m.asked != tc.asked {
				t.Errorf("%s: got %q of %q, %q (%v)", tc.reason, version, m.asked, code, err)
			}
			if err != nil && !strings.Contains(err.Error(), "only for 1.35, 1.36") {
				t.Errorf("%s: does not say what there is: %v", tc.reason, err)
			}
		})
	}
}
