package teardown

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	tags "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// keyAPI is what the package needs of KMS.
type keyAPI interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	ScheduleKeyDeletion(context.Context, *kms.ScheduleKeyDeletionInput, ...func(*kms.Options)) (*kms.ScheduleKeyDeletionOutput, error)
	TagResource(context.Context, *kms.TagResourceInput, ...func(*kms.Options)) (*kms.TagResourceOutput, error)
}

// keyOf is what KMS says of a key, nil if there is none.
func keyOf(ctx context.Context, api keyAPI, arn string) (*types.KeyMetadata, error) {
	out, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	if awsfault.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, account.Classify(err, "describe key %s", arn)
	}
	return out.KeyMetadata, nil
}

// fateTag says on the key of the secrets what the last removal was to do with it, since that key outlives the
// stack which tells of it: a removal that goes on from a broken one knows by it.
const (
	fateTag  = "eks-environment-removal"
	fateGo   = "delete"
	fateStay = "keep"
)

// decide writes down the fate of the key of the secrets, while its stack is there. Who may not write it, with an
// environment role of an earlier version, has a key reported that could go.
func decide(ctx context.Context, api keyAPI, s environment.State) error {
	arn := s.Survey.SecretsKeyARN
	if arn == "" {
		return nil
	}
	key, err := keyOf(ctx, api, arn)
	if err != nil || key == nil || key.KeyState == types.KeyStatePendingDeletion {
		return err
	}
	fate := fateGo
	if s.Request.Retains(environment.RetainKeys) {
		fate = fateStay
	}
	_, err = api.TagResource(ctx, &kms.TagResourceInput{KeyId: &arn, Tags: []types.Tag{{TagKey: aws.String(fateTag), TagValue: &fate}}})
	if err == nil || awsfault.CodeOf(err) == fault.AccessDenied {
		return nil
	}
	return account.Classify(err, "tag key %s", arn)
}

// pendingDays is for how long a key can still be brought back, the same as in the Identity template.
const pendingDays = 8

// retire schedules the deletion of keys and says when they will be gone: KMS deletes none at once
// (aws-traps.md, row 6.9). The stack keeps the key of the cluster's secrets, so that a stack that is
// deleted by hand takes no living cluster's key; here the cluster is gone. See also [retireSecrets].
func retire(ctx context.Context, api keyAPI, keys []string) ([]environment.Leftover, bool, error) {
	var kept []environment.Leftover
	changed := false
	for _, arn := range keys {
		key, err := keyOf(ctx, api, arn)
		if err != nil {
			return nil, false, err
		}
		if key == nil {
			continue
		}
		date := key.DeletionDate
		if key.KeyState != types.KeyStatePendingDeletion {
			scheduled, err := api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(pendingDays)})
			if err != nil {
				return nil, false, account.Classify(err, "schedule the deletion of key %s", arn)
			}
			date, changed = scheduled.DeletionDate, true
		}
		kept = append(kept, pending(arn, date))
	}
	return kept, changed, nil
}

// pending says when a key will be gone.
func pending(arn string, date *time.Time) environment.Leftover {
	why := "KMS deletes no key at once"
	if date != nil {
		why = fmt.Sprintf("KMS deletes it on %s; until then its deletion can be cancelled", date.UTC().Format("2006-01-02"))
	}
	return environment.Leftover{What: keyText(arn), Why: why}
}

func keyText(arn string) string { return "KMS key " + arn }

// tagAPI finds resources by their tags.
type tagAPI interface {
	GetResources(context.Context, *tagging.GetResourcesInput, ...func(*tagging.Options)) (*tagging.GetResourcesOutput, error)
}

// earlierKeys are the environment's keys by its tag, without those that this removal knows of. Those of a
// removal that was broken off are told of by no stack any more: doomed are those that it was to delete. Which of
// the others are to stay is known to whoever has had them kept: none is touched.
func earlierKeys(ctx context.Context, found tagAPI, api keyAPI, n environment.Names, known []string) (kept []environment.Leftover, doomed []string, err error) {
	input := &tagging.GetResourcesInput{
		ResourceTypeFilters: []string{"kms:key"},
		TagFilters:          []tags.TagFilter{{Key: aws.String(environment.Tag), Values: []string{n.Environment}}},
	}
	for page := tagging.NewGetResourcesPaginator(found, input); page.HasMorePages(); {
		out, err := page.NextPage(ctx)
		if err != nil {
			return nil, nil, account.Classify(err, "look for keys with the tag %s of %s", environment.Tag, n.Environment)
		}
		for _, r := range out.ResourceTagMappingList {
			arn := aws.ToString(r.ResourceARN)
			if slices.Contains(known, arn) {
				continue
			}
			key, err := keyOf(ctx, api, arn)
			switch {
			case err != nil:
				return nil, nil, err
			case key == nil:
			case key.KeyState == types.KeyStatePendingDeletion:
				kept = append(kept, pending(arn, key.DeletionDate))
			case slices.ContainsFunc(r.Tags, func(t tags.Tag) bool { return aws.ToString(t.Key) == fateTag && aws.ToString(t.Value) == fateGo }):
				doomed = append(doomed, arn)
			default:
				kept = append(kept, environment.Leftover{What: keyText(arn), Why: "an earlier removal was to keep it, or was broken off, and no stack has it; " +
					"if nothing is left that it encrypts: aws kms schedule-key-deletion --key-id " + arn})
			}
		}
	}
	return kept, doomed, nil
}
