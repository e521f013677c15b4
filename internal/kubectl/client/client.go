// Package client calls an environment's kubectl function from a stage, in the function's wire
// protocol (kubectl-protocol.md, section 1). It must not import client-go: the stages stay small.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

type invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Client speaks to one cluster through one kubectl function as one IAM role.
type Client struct {
	api                     invoker
	function, cluster, role string
}

// New returns a client that asks function to act on cluster with the rights of roleARN.
func New(api invoker, function, cluster, roleARN string) *Client {
	return &Client{api: api, function: function, cluster: cluster, role: roleARN}
}

// Object is a Kubernetes object as JSON has it.
type Object map[string]any

// Change is what happened to one object.
type Change struct {
	// Object is "Kind namespace/name", without the namespace where there is none.
	Object string             `json:"object"`
	Change environment.Change `json:"change"`
}

// Summarize returns the changes as one, and what was changed by name. All new is a creation.
func Summarize(changes []Change) (environment.Change, []string) {
	summary, objects := environment.Created, []string(nil)
	for _, c := range changes {
		if c.Change == environment.Unchanged {
			continue
		}
		objects = append(objects, c.Object)
	}
	switch {
	case len(objects) == 0:
		summary = environment.Unchanged
	case slices.ContainsFunc(changes, func(c Change) bool { return c.Change != environment.Created }):
		summary = environment.Updated
	}
	return summary, objects
}

// Apply makes the objects so, and returns what that changed, object by object.
func (c *Client) Apply(ctx context.Context, objects ...Object) ([]Change, error) {
	manifest, err := json.Marshal(objects)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot encode %d objects", len(objects))
	}
	return c.change(ctx, "Custom::AWSCDK-EKS-KubernetesResource", map[string]string{
		"Manifest":      string(manifest),
		"ReportChanges": "true",
	})
}

// List returns all objects of a kind in a namespace.
func (c *Client) List(ctx context.Context, kind, namespace string) ([]Object, error) {
	value, err := c.call(ctx, "Create", "Custom::AWSCDK-EKS-KubernetesObjectValue", map[string]string{
		"ObjectType":      kind,
		"ObjectNamespace": namespace,
		"JsonPath":        "@",
		"TimeoutSeconds":  "10",
	})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []Object `json:"items"`
	}
	if err := json.Unmarshal([]byte(value), &list); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot read the answer of %s", c.function)
	}
	return list.Items, nil
}

// call sends one request and returns Data.Value of the answer.
func (c *Client) call(ctx context.Context, request, resource string, properties map[string]string) (string, error) {
	properties["ClusterName"] = c.cluster
	properties["RoleArn"] = c.role
	payload, err := json.Marshal(map[string]any{
		"RequestType": request, "ResourceType": resource, "ResourceProperties": properties,
	})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot encode a request to %s", c.function)
	}
	out, err := c.api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &c.function, Payload: payload})
	if err != nil {
		return "", c.classify(err)
	}
	if out.FunctionError != nil {
		return "", c.functionFault(out.Payload)
	}
	var answer struct{ Data struct{ Value string } }
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot read the answer of %s", c.function)
	}
	return answer.Data.Value, nil
}

// functionFault gives the function's own error its code back. An error without one of our codes
// is the runtime's: a timeout, a lack of memory, a sandbox that broke.
func (c *Client) functionFault(payload []byte) error {
	var failure struct {
		Type    fault.Code `json:"errorType"`
		Message string     `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &failure); err != nil {
		return fault.Wrap(fault.Internal, err, "cannot read the error of %s", c.function)
	}
	code := failure.Type
	if !slices.Contains(fault.Codes(), code) {
		code = fault.Transient
	}
	return fault.New(code, "%s: %s", c.function, failure.Message)
}

// classify knows the states in which Lambda refuses to run a function in a VPC for a while
// (aws-traps.md, rows 1.51 and 1.52).
func (c *Client) classify(err error) error {
	var (
		notReady *types.ResourceNotReadyException
		conflict *types.ResourceConflictException
		eni      *types.ENINotReadyException
	)
	if errors.As(err, &notReady) || errors.As(err, &conflict) || errors.As(err, &eni) {
		return fault.Wrap(fault.Transient, err, "%s is not ready yet", c.function)
	}
	return account.Classify(err, "invoke %s", c.function)
}

var _ invoker = (*lambda.Client)(nil)

// Of returns a client of s's environment, with the rights of its cluster administrator.
func Of(target aws.Config, s environment.State) *Client {
	return New(lambda.NewFromConfig(target), s.Names.KubectlFunction, s.Names.Cluster, s.Identity.ClusterAdminRoleARN)
}
