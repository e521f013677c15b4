package deletehook_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/lock"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

// taken is a table whose lock somebody has, and an orchestrator in which that execution runs.
type taken struct {
	*dynamodb.Client
	owner string
}

func (t taken) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, &types.ConditionalCheckFailedException{Item: map[string]types.AttributeValue{"owner": &types.AttributeValueMemberS{Value: t.owner}}}
}

func (taken) DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	return &sfn.DescribeExecutionOutput{Status: sfntypes.ExecutionStatusRunning}, nil
}

// held is the failure of an execution that the holder was in the way of, as the Lock stage makes it.
func held(t *testing.T) string {
	t.Helper()
	table := taken{owner: holder}
	in := stage.Input{State: environment.State{Names: environment.Names{Environment: "opa-dev"}}}
	_, err := lock.New(lock.NewTable(table, "table"), table).Run(t.Context(), in)
	if fault.CodeOf(err) != fault.Conflict {
		t.Fatal(err)
	}
	text, err := json.Marshal(stage.CauseOf("Lock", fault.As(err)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
