package teardown

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/harmonix-eks/environment-provider/internal/account"
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
