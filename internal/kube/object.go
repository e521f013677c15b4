package kube

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/dynamic"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// defaultNamespace is where kubectl puts an object that names no namespace.
const defaultNamespace = "default"

// Change says what an operation did to an object.
type Change string

// The changes.
const (
	Created   Change = "created"
	Updated   Change = "updated"
	Unchanged Change = "unchanged"
	Deleted   Change = "deleted"
)

// Describe names an object for people: "Deployment shop/web", or "Namespace shop".
func Describe(object *unstructured.Unstructured) string {
	name := object.GetName()
	if name == "" && object.GetGenerateName() != "" {
		name = object.GetGenerateName() + "*"
	}
	if namespace := object.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	kind := object.GetKind()
	if kind == "" {
		kind = "object without a kind"
	}
	return kind + " " + name
}

// target is an object as it is to be sent, and where.
type target struct {
	dynamic.ResourceInterface
	object *unstructured.Unstructured
}

// String implements fmt.Stringer.
func (t *target) String() string { return Describe(t.object) }

// fault classifies an error of what was done to the object.
func (t *target) fault(err error, what string) error {
	if secret(t.object.GroupVersionKind()) {
		err = concealSecret(err)
	}
	return Classify(err, what, t)
}

// secret reports whether a kind is of objects that no message may quote.
func secret(kind schema.GroupVersionKind) bool { return kind.Group == "" && kind.Kind == "Secret" }

// target prepares an object: a copy without nulls and server-side fields, in its namespace, and
// the place it belongs to.
func (c *Client) target(ctx context.Context, object *unstructured.Unstructured) (*target, error) {
	if object.GetAPIVersion() == "" || object.GetKind() == "" {
		return nil, fault.New(fault.InvalidRequest, "%s: apiVersion and kind are required", Describe(object))
	}
	own, err := copyOf(object)
	if err != nil {
		return nil, fault.Wrap(fault.InvalidRequest, err, "read %s", Describe(object))
	}
	mapping, err := c.mapping(ctx, object.GroupVersionKind())
	if err != nil {
		return nil, Classify(err, "find the resource of %s", Describe(object))
	}
	switch {
	case mapping.Scope.Name() != meta.RESTScopeNameNamespace:
		own.SetNamespace("")
	case own.GetNamespace() == "":
		own.SetNamespace(defaultNamespace)
	}
	return &target{ResourceInterface: c.in(mapping, own.GetNamespace()), object: own}, nil
}

// known makes the error of a kind that the cluster does not know any more what that of one it never knew is,
// and forgets what was discovered: the kind's definition may be on its way again.
func (c *Client) known(ctx context.Context, t *target, err error) error {
	if !unserved(err) {
		return err
	}
	c.mapper.ResetWithContext(ctx)
	kind := t.object.GroupVersionKind()
	return &meta.NoKindMatchError{GroupKind: kind.GroupKind(), SearchedVersions: []string{kind.Version}}
}

// Key tells two objects of manifests or of the cluster apart as the API server does. An object whose
// kind the cluster does not know is taken at its word.
func (c *Client) Key(ctx context.Context, object *unstructured.Unstructured) string {
	kind, namespace := object.GroupVersionKind().GroupKind(), object.GetNamespace()
	mapping, err := c.mapping(ctx, object.GroupVersionKind())
	switch {
	case err == nil && mapping.Scope.Name() != meta.RESTScopeNameNamespace:
		namespace = ""
	case namespace == "":
		namespace = defaultNamespace
	}
	return strings.Join([]string{kind.Group, kind.Kind, namespace, object.GetName()}, "/")
}

// copyOf copies an object by way of JSON, so that whatever Go types it holds become those that
// unstructured content may have.
func copyOf(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := utiljson.Unmarshal(text, &content); err != nil {
		return nil, err
	}
	dropNulls(content)
	own := &unstructured.Unstructured{Object: content}
	if err := checkMetadata(content); err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(content, "metadata", "managedFields")
	if own.GetAPIVersion() == "v1" && own.GetKind() == "Secret" {
		encodeStringData(content)
	}
	return own, nil
}

// checkMetadata refuses metadata that says something else than where the object is. A namespace that is
// a number would be taken for none, and the object put into the default one.
func checkMetadata(content map[string]any) error {
	found, ok := content["metadata"]
	if !ok {
		return nil
	}
	metadata, ok := found.(map[string]any)
	if !ok {
		return errors.New("metadata is not an object")
	}
	for _, field := range []string{"name", "namespace"} {
		if value, ok := metadata[field]; ok {
			if _, ok := value.(string); !ok {
				return errors.New("metadata." + field + " is not a text; put its value between quotation marks")
			}
		}
	}
	return nil
}

// dropNulls removes null members, which templates leave where nothing is wanted. kubectl sends
// them on creation, where the API server drops them.
func dropNulls(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			if member == nil {
				delete(value, key)
				continue
			}
			dropNulls(member)
		}
	case []any:
		for _, element := range value {
			dropNulls(element)
		}
	}
}

// encodeStringData moves a Secret's stringData into data, which is what the API server does. Only
// so can a key that is no longer wanted be recognised: stringData is never read back.
func encodeStringData(content map[string]any) {
	plain, ok := content["stringData"].(map[string]any)
	if !ok {
		return
	}
	data, ok := content["data"].(map[string]any)
	if !ok {
		if content["data"] != nil {
			return
		}
		data = map[string]any{}
	}
	for key, value := range plain {
		text, ok := value.(string)
		if !ok {
			return
		}
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	content["data"] = data
	delete(content, "stringData")
}

// get reads the object as it is.
func (c *Client) get(ctx context.Context, t *target) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := c.do(ctx, transient, func(ctx context.Context) (err error) {
		live, err = t.Get(ctx, t.object.GetName(), metav1.GetOptions{})
		return err
	})
	return live, err
}

// createManager is the field manager of `kubectl create`.
const createManager = "kubectl-create"

// Create creates an object as `kubectl create --save-config` does. An object that exists already is
// a Conflict that apierrors.IsAlreadyExists matches.
func (c *Client) Create(ctx context.Context, object *unstructured.Unstructured, options WriteOptions) (Change, error) {
	t, err := c.target(ctx, object)
	if err != nil {
		return "", err
	}
	if err := annotate(t.object); err != nil {
		return "", err
	}
	attempts := 0
	var made *unstructured.Unstructured
	err = c.do(ctx, transient, func(ctx context.Context) (err error) {
		attempts++
		made, err = t.ResourceInterface.Create(ctx, t.object, metav1.CreateOptions{
			FieldManager:    createManager,
			FieldValidation: options.fieldValidation(),
		})
		return err
	})
	if apierrors.IsAlreadyExists(err) && attempts > 1 {
		// The answer to an attempt may have been lost after the object was made.
		live, getErr := c.get(ctx, t)
		if getErr == nil && bytes.Equal(lastApplied(live), lastApplied(t.object)) && len(lastApplied(live)) > 0 {
			made, err = live, nil
		}
	}
	if err != nil {
		return "", t.fault(c.known(ctx, t, err), "create %s")
	}
	return Created, c.settle(ctx, t, made)
}

// WriteOptions are the options of Create and Apply.
type WriteOptions struct {
	// SkipValidation accepts unknown and duplicate fields.
	SkipValidation bool
	// dryRun makes the API server decide and store nothing.
	dryRun []string
}

func (o WriteOptions) fieldValidation() string {
	if o.SkipValidation {
		return metav1.FieldValidationIgnore
	}
	return metav1.FieldValidationStrict
}
