package teardown

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	tags "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// tagged are the keys with an environment's tag, a page each, and their states.
type tagged struct {
	keyAPI
	arns   []string
	states map[string]types.KeyState
	fates  map[string]string
	err    error
}

func (k tagged) GetResources(_ context.Context, in *tagging.GetResourcesInput, _ ...func(*tagging.Options)) (*tagging.GetResourcesOutput, error) {
	f := in.TagFilters
	if !slices.Equal(in.ResourceTypeFilters, []string{"kms:key"}) || len(f) != 1 || *f[0].Key != "eks-environment" || !slices.Equal(f[0].Values, []string{"opa-dev"}) {
		return nil, &smithy.GenericAPIError{Code: "InvalidParameterException"}
	}
	at := slices.Index(k.arns, aws.ToString(in.PaginationToken))
	out := &tagging.GetResourcesOutput{}
	if at+1 < len(k.arns) {
		mapping := tags.ResourceTagMapping{ResourceARN: &k.arns[at+1]}
		if fate := k.fates[k.arns[at+1]]; fate != "" {
			mapping.Tags = []tags.Tag{{Key: aws.String("eks-environment-removal"), Value: &fate}}
		}
		out.ResourceTagMappingList = []tags.ResourceTagMapping{mapping}
		out.PaginationToken = &k.arns[at+1]
	}
	return out, k.err
}

func (k tagged) DescribeKey(_ context.Context, in *kms.DescribeKeyInput, _ ...func(*kms.Options)) (*kms.DescribeKeyOutput, error) {
	state := k.states[*in.KeyId]
	if state == "" {
		return nil, &types.NotFoundException{}
	}
	date := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	return &kms.DescribeKeyOutput{KeyMetadata: &types.KeyMetadata{KeyState: state, DeletionDate: &date}}, nil
}

// A removal that goes on from one that was broken off finds no stack that tells of the keys.
func TestEarlierKeys(t *testing.T) {
	api := tagged{
		arns:   []string{"known", "pending", "gone", "kept", "doomed"},
		states: map[string]types.KeyState{"known": "PendingDeletion", "pending": "PendingDeletion", "kept": "Enabled", "doomed": "Enabled"},
		fates:  map[string]string{"pending": "delete", "kept": "keep", "doomed": "delete"},
	}
	got, doomed, err := earlierKeys(t.Context(), api, api, names, []string{"known"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[1].What != "KMS key kept" || !strings.Contains(got[1].Why, "aws kms schedule-key-deletion --key-id kept") {
		t.Fatalf("got %v", got)
	}
	if diff := cmp.Diff([]string{"doomed"}, doomed); diff != "" {
		t.Errorf("keys that a broken removal was to delete (-want +got):\n%s", diff)
	}
	want := environment.Leftover{What: "KMS key pending", Why: "KMS deletes it on 2026-11-30; until then its deletion can be cancelled"}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	api.err = &smithy.GenericAPIError{Code: "AccessDeniedException"}
	if _, _, err := earlierKeys(t.Context(), api, api, names, nil); fault.CodeOf(err) != fault.AccessDenied {
		t.Errorf("what cannot be seen is not none: %v", err)
	}
}
