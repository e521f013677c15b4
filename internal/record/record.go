// Package record ends an execution: it writes the environment's history, gives the lock back and
// makes the result document or the failure's cause.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
)

type table interface {
	PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

type releaser interface {
	Release(ctx context.Context, r environment.Request, owner string) error
}

// History is the orchestrator's table of past executions, a row each.
type History struct {
	api  table
	name string
}

// NewHistory returns the history in the table of that name; see [lock.NewTable] for its keys.
func NewHistory(api table, name string) *History { return &History{api: api, name: name} }

// Append writes the row of one ended execution. The row's key is the execution's start and ARN, so
// writing it twice leaves one row.
func (h *History) Append(ctx context.Context, s environment.State, status string, document any) error {
	return h.put(ctx, h.row(s, status), document)
}

// byRule marks a row that was written after its execution, and not by it.
const byRule = "rule"

// AppendNew is Append where the execution has written no row itself; one that is there stays as it is.
// It reports whether it wrote one, and does so again if it is called again.
func (h *History) AppendNew(ctx context.Context, s environment.State, status string, document any) (bool, error) {
	row := h.row(s, status)
	row.Item["recorder"] = &types.AttributeValueMemberS{Value: byRule}
	row.ConditionExpression = aws.String("attribute_not_exists(id) OR recorder = :rule")
	row.ExpressionAttributeValues = map[string]types.AttributeValue{":rule": row.Item["recorder"]}
	err := h.put(ctx, row, document)
	var there *types.ConditionalCheckFailedException
	if errors.As(err, &there) {
		return false, nil
	}
	return err == nil, err
}

// row is the row of the execution, but for the document.
func (h *History) row(s environment.State, status string) *dynamodb.PutItemInput {
	value := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	return &dynamodb.PutItemInput{TableName: &h.name, Item: map[string]types.AttributeValue{
		"id":        value(s.Request.Key()),
		"sort":      value("execution#" + s.Execution.StartTime.UTC().Format(time.RFC3339) + "#" + s.Execution.ARN),
		"status":    value(status),
		"execution": value(s.Execution.ARN),
		"operation": value(s.Request.Operation),
	}}
}

func (h *History) put(ctx context.Context, row *dynamodb.PutItemInput, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	row.Item["document"] = &types.AttributeValueMemberS{Value: string(text)}
	if _, err := h.api.PutItem(ctx, row); err != nil {
		return account.Classify(err, "write the history into table %s", h.name)
	}
	return nil
}
