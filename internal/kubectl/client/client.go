// Package client calls an environment's kubectl function from a stage, in the function's wire
// protocol (kubectl-protocol.md, section 1). It must not import client-go: the stages stay small.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/harmonix-eks/environment-provider/internal/account"
	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
)

type invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Client speaks to one cluster through one kubectl function as one IAM role.
type Client struct {
	api                     invoker
	function, cluster, role string
	view                    view
}

// New returns a client that asks function to act on cluster with the rights of roleARN.
func New(api invoker, function, cluster, roleARN string) *Client {
	return &Client{api: api, function: function, cluster: cluster, role: roleARN}
}

// ErrRefused is matched by an error whose cause is the cluster's own refusal, by authentication or
// by RBAC. A refusal by IAM or by the kubectl function does not match it.
var ErrRefused = errors.New("refused by the cluster")

// ErrTooLarge is matched by the error of a list that the cluster has, and that does not fit into an answer.
var ErrTooLarge = errors.New("too large for an answer")

// Object is a Kubernetes object as JSON has it.
type Object map[string]any

// Decode reads an object into a type with JSON tags.
func Decode[T any](o Object) (T, error) {
	var target T
	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &target)
	}
	if err != nil {
		return target, fault.Wrap(fault.Internal, err, "cannot read a %T", target)
	}
	return target, nil
}

// Change is what happened to one object.
type Change struct {
	// Object is "Kind namespace/name", without the namespace where there is none.
	Object string             `json:"object"`
	Change environment.Change `json:"change"`
	// Details name what would change, in a plan.
	Details []string `json:"details,omitempty"`
}

// Summarize returns the changes as one, and what was changed by name. All new is a creation.
func Summarize(changes []Change) (environment.Change, []string) {
	var objects []string
	created := 0
	for _, c := range changes {
		if c.Change != environment.Unchanged {
			objects = append(objects, c.Object)
		}
		if c.Change == environment.Created {
			created++
		}
	}
	switch {
	case len(objects) == 0:
		return environment.Unchanged, nil
	case created == len(changes):
		return environment.Created, objects
	default:
		return environment.Updated, objects
	}
}

// Apply makes the objects so, and returns what that changed, object by object.
func (c *Client) Apply(ctx context.Context, objects ...Object) ([]Change, error) {
	if c.view.blind() {
		return made(objects), nil
	}
	manifest, err := json.Marshal(objects)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot encode %d objects", len(objects))
	}
	return c.change(ctx, "Update", protocol.Resource, map[string]string{
		"Manifest":      string(manifest),
		"ReportChanges": "true",
	})
}

// Create makes an object that must not exist; one that does is a [fault.Conflict] and is not touched.
func (c *Client) Create(ctx context.Context, object Object) ([]Change, error) {
	if c.view.blind() {
		return made([]Object{object}), nil
	}
	manifest, err := json.Marshal([]Object{object})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot encode an object")
	}
	return c.change(ctx, "Create", protocol.Resource, map[string]string{
		"Manifest":      string(manifest),
		"Overwrite":     "false",
		"ReportChanges": "true",
	})
}

// List returns the fields of all objects of a kind in a namespace.
func (c *Client) List(ctx context.Context, kind, namespace string, fields Fields) ([]Object, error) {
	return c.list(ctx, fields, map[string]string{"ObjectType": kind, "ObjectNamespace": namespace})
}

// ListAll returns the fields of all objects of a kind in all namespaces.
func (c *Client) ListAll(ctx context.Context, kind string, fields Fields) ([]Object, error) {
	return c.list(ctx, fields, map[string]string{"ObjectType": kind, "AllNamespaces": "true"})
}

// Mark marks the objects for deletion and does not wait for their finalizers.
func (c *Client) Mark(ctx context.Context, objects ...Object) error {
	manifest, err := json.Marshal(objects)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "cannot encode %d objects", len(objects))
	}
	_, err = c.call(ctx, "Delete", protocol.Resource, map[string]string{"Manifest": string(manifest), "PatienceSeconds": "0"})
	if errors.Is(err, &fault.Error{Code: fault.InProgress}) {
		return nil
	}
	return err
}

func (c *Client) list(ctx context.Context, fields Fields, query map[string]string) ([]Object, error) {
	if c.view.blind() {
		return nil, nil
	}
	if len(fields) > 0 {
		text, err := json.Marshal(fields)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "cannot encode the fields of %s", query["ObjectType"])
		}
		query[protocol.Fields] = string(text)
	}
	query["JsonPath"], query["TimeoutSeconds"] = "@", "10"
	value, err := c.call(ctx, "Create", protocol.Value, query)
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
	if c.view != acts && request != protocol.Plan && resource != protocol.Value {
		return "", fault.New(fault.Internal, "a plan asks %s for a %s of %s", c.function, request, resource)
	}
	properties["ClusterName"] = c.cluster
	properties["RoleArn"] = c.role
	properties[protocol.ErrorDetails] = "true"
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

// fields are the request's fields that a function's properties come from, as far as a user decides on
// them. A property of another origin is none of the user's.
var fields = map[string]string{
	"/ResourceProperties/RoleArn":       "/clusterAdminRole",
	"/ResourceProperties/Chart":         "/chart",
	"/ResourceProperties/Repository":    "/chart/repository",
	"/ResourceProperties/ChartAssetURL": "/chart/repository",
	"/ResourceProperties/Version":       "/chart/version",
}

// functionFault gives the function's own error its code and its parts back. An error without one of
// our codes is the runtime's: a timeout, a lack of memory, a sandbox that broke.
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
	parts := protocol.Failure{Message: failure.Message}
	// What is no JSON is text, as the runtime's own errors are, and those of an older function.
	if json.Unmarshal([]byte(failure.Message), &parts) != nil || parts.Message == "" {
		parts = protocol.Failure{Message: failure.Message}
	}
	f := fault.New(code, "%s: %s", c.function, parts.Message).WithField(fields[parts.Field])
	f.Next = parts.Next
	if code == fault.AccessDenied && strings.HasPrefix(parts.Message, protocol.Refused) {
		f.Err = ErrRefused
	}
	if parts.TooLarge {
		f.Err = ErrTooLarge
	}
	return f
}

// ErrNoFunction is matched by the error of a call to a function that does not exist.
var ErrNoFunction = errors.New("no such function")

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
	if awsfault.Gone(err) {
		return fault.Wrap(fault.Failed, fmt.Errorf("%w: %w", ErrNoFunction, err), "cannot invoke %s", c.function)
	}
	return account.Classify(err, "invoke %s", c.function)
}

var _ invoker = (*lambda.Client)(nil)

// Of returns a client of s's environment, with the rights of its cluster administrator. For a plan it
// is one that changes nothing; see [Client.Progress].
func Of(target aws.Config, s environment.State) *Client {
	c := New(lambda.NewFromConfig(target), s.Names.KubectlFunction, s.Names.Cluster, s.Identity.ClusterAdminRoleARN)
	c.view = viewOf(s)
	return c
}
