package version

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

var _ describer = (*eks.Client)(nil)

func TestTarget(t *testing.T) {
	cases := map[string]struct {
		reason                string
		requested, live, want string
		code                  fault.Code
		next                  string
	}{
		"New":        {reason: "no cluster yet", requested: "1.36", want: "1.36"},
		"Same":       {reason: "nothing to do", requested: "1.36", live: "1.36", want: "1.36"},
		"Upgrade":    {reason: "the next minor version", requested: "1.36", live: "1.35", want: "1.36"},
		"Below":      {reason: "a lower version might really downgrade", requested: "1.34", live: "1.36", want: "1.36"},
		"TwoDigits":  {reason: "1.9 is below 1.10", requested: "1.9", live: "1.10", want: "1.10"},
		"Skips":      {reason: "EKS upgrades one minor version at a time", requested: "1.36", live: "1.34", code: "InvalidRequest", next: "ask for 1.35 first"},
		"NoVersion":  {reason: "a field that preflight should have refused", requested: "latest", live: "1.36", code: "InvalidRequest"},
		"OtherMajor": {reason: "as above", requested: "2.0", live: "1.36", code: "InvalidRequest"},
		"LiveBroken": {reason: "no guess about what EKS answers", requested: "1.36", live: "v1.36", code: "InvalidRequest"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Target(tc.requested, tc.live)
			if code := fault.CodeOf(err); code != tc.code {
				t.Fatalf("%s: got %q (%v), want %q", tc.reason, code, err, tc.code)
			}
			if got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
			if err != nil && (fault.As(err).Next != tc.next || fault.As(err).Field != "/kubernetesVersion") {
				t.Errorf("%s: says %q of %q", tc.reason, fault.As(err).Next, fault.As(err).Field)
			}
		})
	}
}

type describes struct {
	out *eks.DescribeClusterOutput
	err error
}

func (d describes) DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error) {
	return d.out, d.err
}

func TestLive(t *testing.T) {
	cases := map[string]struct {
		reason string
		api    describes
		want   string
		code   fault.Code
	}{
		"Live":      {reason: "the version that runs", api: describes{out: &eks.DescribeClusterOutput{Cluster: &types.Cluster{Version: aws.String("1.36")}}}, want: "1.36"},
		"NotFound":  {reason: "one form of no cluster", api: describes{err: &types.ResourceNotFoundException{}}},
		"OldForm":   {reason: "the other form", api: describes{err: &types.ClientException{Message: aws.String("No cluster found for name: opa-dev-cluster.")}}},
		"Client":    {reason: "another ClientException is none", api: describes{err: &types.ClientException{Message: aws.String("bad name")}}, code: "Failed"},
		"Denied":    {reason: "a cluster that cannot be seen may exist", api: describes{err: &smithy.GenericAPIError{Code: "AccessDeniedException"}}, code: "AccessDenied"},
		"NoAnswer":  {reason: "time cures it", api: describes{err: errors.New("connection reset")}, code: "Transient"},
		"EKSBroken": {reason: "time cures it", api: describes{err: &types.ServerException{}}, code: "Transient"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Live(t.Context(), tc.api, "opa-dev-cluster")
			if code := fault.CodeOf(err); code != tc.code || got != tc.want {
				t.Errorf("%s: got %q, %q (%v), want %q, %q", tc.reason, got, code, err, tc.want, tc.code)
			}
		})
	}
}
