package teardown

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// keys is KMS with keys of one state, and remembers whose deletion was scheduled.
type keys struct {
	state     types.KeyState
	scheduled []string
	// tagged are the keys that were given a tag, and refusal is the error of whoever may not.
	tagged  []string
	refusal error
}

func (k *keys) TagResource(_ context.Context, in *kms.TagResourceInput, _ ...func(*kms.Options)) (*kms.TagResourceOutput, error) {
	if k.refusal != nil {
		return nil, k.refusal
	}
	for _, t := range in.Tags {
		k.tagged = append(k.tagged, *in.KeyId+" "+*t.TagKey+"="+*t.TagValue)
	}
	return &kms.TagResourceOutput{}, nil
}

// A removal that is broken off when the stack is gone has not said what is to become of the key otherwise.
func TestDecide(t *testing.T) {
	cases := map[string]struct {
		reason  string
		secrets string
		retain  []string
		api     *keys
		want    []string
		code    fault.Code
	}{
		"Goes":       {reason: "with the cluster", secrets: "secrets", api: &keys{}, want: []string{"secrets eks-environment-removal=delete"}},
		"Stays":      {reason: "the next removal must not delete it", secrets: "secrets", retain: []string{"keys"}, api: &keys{}, want: []string{"secrets eks-environment-removal=keep"}},
		"Scheduled":  {reason: "KMS tags no key that is on its way", secrets: "secrets", api: &keys{state: types.KeyStatePendingDeletion}},
		"Never made": {reason: "there is no key", api: &keys{}},
		"Forbidden":  {reason: "an environment role of an earlier version is no reason to stop", secrets: "secrets", api: &keys{refusal: &smithy.GenericAPIError{Code: "AccessDeniedException"}}},
		"Throttled":  {reason: "it is tried again", secrets: "secrets", api: &keys{refusal: &smithy.GenericAPIError{Code: "ThrottlingException"}}, code: fault.Throttled},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			state := environment.State{Request: environment.Request{Retain: tc.retain}, Survey: &environment.Survey{SecretsKeyARN: tc.secrets}}
			if err := decide(t.Context(), tc.api, state); fault.CodeOf(err) != tc.code {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, tc.api.tagged); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func (k *keys) DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error) {
	return &kms.DescribeKeyOutput{KeyMetadata: &types.KeyMetadata{KeyState: k.state}}, nil
}

func (k *keys) ScheduleKeyDeletion(_ context.Context, in *kms.ScheduleKeyDeletionInput, _ ...func(*kms.Options)) (*kms.ScheduleKeyDeletionOutput, error) {
	k.scheduled = append(k.scheduled, aws.ToString(in.KeyId))
	return &kms.ScheduleKeyDeletionOutput{}, nil
}

// The stack keeps the key of the secrets, and nobody knows of it when the stack is gone.
func TestRetireSecrets(t *testing.T) {
	survey := &environment.Survey{
		Stacks:  []environment.SurveyedStack{{Name: names.IdentityStack, ID: "id"}},
		KeyARNs: []string{"audit", "secrets"}, AuditKeyARN: "audit", SecretsKeyARN: "secrets",
	}
	cases := map[string]struct {
		reason string
		status cfn.StackStatus
		gone   bool
		retain []string
		survey *environment.Survey
		state  types.KeyState
		want   []string
	}{
		"Gone":          {reason: "the other key is the stack's", gone: true, want: []string{"secrets"}},
		"Going":         {reason: "the execution may be stopped before the end", status: cfn.StackStatusDeleteInProgress, want: []string{"secrets"}},
		"Failed":        {reason: "what is left of the stack is of no use", status: cfn.StackStatusDeleteFailed, want: []string{"secrets"}},
		"Went":          {reason: "between two looks", status: cfn.StackStatusDeleteComplete, want: []string{"secrets"}},
		"Not yet":       {reason: "it waits for an update: an apply could use the key again", status: cfn.StackStatusUpdateInProgress},
		"Refused":       {reason: "CloudFormation may not delete it", status: cfn.StackStatusCreateComplete},
		"Retained":      {reason: "the request keeps it", gone: true, retain: []string{"keys"}},
		"Table":         {reason: "which is encrypted with the other", gone: true, retain: []string{"auditTable"}, want: []string{"secrets"}},
		"Scheduled":     {reason: "by an earlier call", gone: true, state: types.KeyStatePendingDeletion},
		"Never made":    {reason: "there is no key", gone: true, survey: &environment.Survey{}},
		"Older version": {reason: "its Survey did not say which; SweepData does both", gone: true, survey: &environment.Survey{KeyARNs: []string{"audit", "secrets"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			account := made{stacks: map[string]stack.Description{"id": {Status: tc.status}}}
			api := &keys{state: tc.state}
			state := environment.State{Request: environment.Request{Retain: tc.retain}, Names: names, Survey: survey}
			if tc.survey != nil {
				state.Survey = tc.survey
			}
			if err := retireSecrets(t.Context(), account, api, state, tc.gone); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, api.scheduled); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Each stack of an environment is one state's.
func TestStackOf(t *testing.T) {
	names := environment.NamesOf(environment.Request{Prefix: "opa", Name: "dev"})
	var got []string
	for _, state := range []string{
		"DeleteKubectl", "DeleteCapacity", "DeleteAddonRoles", "DeleteCluster", "DeleteEgress", "DeleteNetwork", "DeleteIdentity", "DeleteProvider",
	} {
		name, err := stackOf(state, names)
		if err != nil {
			t.Error(err)
		}
		got = append(got, name)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(names.Stacks())), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("stacks (-environment +deleted):\n%s", diff)
	}
	if _, err := stackOf("DeleteEverything", names); err == nil {
		t.Error("an unknown state deletes something")
	}
}
