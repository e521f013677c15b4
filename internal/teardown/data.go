package teardown

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

// logAPI is what the package needs of CloudWatch Logs.
type logAPI interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
	DeleteLogGroup(context.Context, *cloudwatchlogs.DeleteLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DeleteLogGroupOutput, error)
}

// logs are the environment's log groups. Only some of them are a stack's: pods, EKS and Lambda make
// groups by themselves, also anew after they were deleted (aws-traps.md, row 6.5).
type logs struct {
	api   logAPI
	names environment.Names
}

// prefixes are the names of the groups, or what they begin with, ending in a slash.
func (l logs) prefixes() []string {
	return []string{
		l.names.LogGroup,
		l.names.LogGroup + "/",
		"/aws/containerinsights/" + l.names.Cluster + "/",
		"/aws/eks/" + l.names.Cluster + "/",
		"/aws/lambda/" + l.names.KubectlFunction,
		"/aws/vpc/" + l.names.Environment + "-flow-logs",
	}
}

// groups finds them all.
func (l logs) groups(ctx context.Context) ([]item, error) {
	var items []item
	for _, prefix := range l.prefixes() {
		input := &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix}
		for page := cloudwatchlogs.NewDescribeLogGroupsPaginator(l.api, input); page.HasMorePages(); {
			out, err := page.NextPage(ctx)
			if err != nil {
				return nil, account.Classify(err, "list the log groups %s", prefix)
			}
			for _, g := range out.LogGroups {
				name := aws.ToString(g.LogGroupName)
				// Another environment's name may begin like this one's.
				if name != prefix && !strings.HasSuffix(prefix, "/") {
					continue
				}
				items = append(items, item{what: "log group " + name, remove: func(ctx context.Context) error {
					_, err := l.api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &name})
					return err
				}})
			}
		}
	}
	return items, nil
}

// keyAPI is what the package needs of KMS.
type keyAPI interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	ScheduleKeyDeletion(context.Context, *kms.ScheduleKeyDeletionInput, ...func(*kms.Options)) (*kms.ScheduleKeyDeletionOutput, error)
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
		out, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
		if awsfault.Gone(err) {
			continue
		}
		if err != nil {
			return nil, false, account.Classify(err, "describe key %s", arn)
		}
		date := out.KeyMetadata.DeletionDate
		if out.KeyMetadata.KeyState != types.KeyStatePendingDeletion {
			scheduled, err := api.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(pendingDays)})
			if err != nil {
				return nil, false, account.Classify(err, "schedule the deletion of key %s", arn)
			}
			date, changed = scheduled.DeletionDate, true
		}
		why := "KMS deletes no key at once"
		if date != nil {
			why = fmt.Sprintf("KMS deletes it on %s; until then its deletion can be cancelled", date.UTC().Format("2006-01-02"))
		}
		kept = append(kept, environment.Leftover{What: "KMS key " + arn, Why: why})
	}
	return kept, changed, nil
}
