package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
	"github.com/harmonix-eks/environment-provider/internal/kubectl/protocol"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	// defaultTimeout is the CDK's.
	defaultTimeout = 300
	// attemptTime is what a single attempt may take at least, however short TimeoutSeconds is.
	attemptTime = 10 * time.Second

	firstPoll = 250 * time.Millisecond
	lastPoll  = 2 * time.Second
)

// query is a KubernetesObjectValue's properties.
type query struct {
	resources []string
	// namespace is empty for all of them, which is an addition to the CDK's protocol.
	namespace, name, labels string
	path                    string
	template                *jsonpath.JSONPath
	// fields are what is read of an object, all when it is empty: an addition, too.
	fields  kube.Mask
	timeout time.Duration
	hidden  bool
}

// value carries out a KubernetesObjectValue: it reads what a JSONPath finds in an object, or in the
// List of the objects that labels select, as soon as there is anything. Delete does nothing.
func (h *Handler) value(ctx context.Context, event Event) (Outcome, error) {
	if event.RequestType == Delete {
		return Outcome{}, nil
	}
	q, err := queryOf(event.Properties)
	if err != nil {
		return Outcome{}, err
	}
	end := time.Now().Add(q.timeout)
	for delay := firstPoll; ; delay = min(2*delay, lastPoll) {
		// The connection is the same each time, unless the last attempt found it out of date.
		client, err := h.cluster(ctx, event)
		if err != nil {
			return Outcome{}, err
		}
		text, err := q.attempt(ctx, client, end)
		if err == nil && text != "" {
			return Outcome{Data: map[string]string{"Value": text}, NoEcho: q.hidden}, nil
		}
		if final(err) {
			return Outcome{}, err
		}
		if time.Now().Add(delay).After(end) {
			return Outcome{}, q.timedOut(err)
		}
		if timer.Wait(ctx, delay) != nil {
			return Outcome{}, q.timedOut(err)
		}
	}
}

// queryOf reads the properties of a query.
func queryOf(properties Properties) (query, error) {
	resource, err := properties.Required("ObjectType")
	if err != nil {
		return query{}, err
	}
	path, err := properties.Required("JsonPath")
	if err != nil {
		return query{}, err
	}
	seconds, err := properties.Seconds("TimeoutSeconds", defaultTimeout)
	if err != nil {
		return query{}, err
	}
	hidden, err := properties.Flag("NoEcho")
	if err != nil {
		return query{}, err
	}
	q := query{
		hidden:    hidden,
		namespace: properties.Text("ObjectNamespace"),
		name:      properties.Text("ObjectName"),
		labels:    properties.Text("ObjectLabels"),
		path:      path,
		timeout:   time.Duration(seconds * float64(time.Second)),
	}
	if text := properties.Text(protocol.Fields); text != "" && json.Unmarshal([]byte(text), &q.fields) != nil {
		return query{}, invalid(protocol.Fields, `is not an object of objects, such as {"metadata":{"name":{}}}`)
	}
	everywhere, err := properties.Flag("AllNamespaces")
	if err != nil {
		return query{}, err
	}
	switch {
	case everywhere:
		q.namespace = ""
	case q.namespace == "":
		q.namespace = "default"
	}
	if kind, name, ok := strings.Cut(resource, "/"); ok && q.name == "" {
		resource, q.name = kind, name
	}
	q.resources = strings.Split(resource, ",")
	if q.name != "" && len(q.resources) > 1 {
		return query{}, invalid("ObjectType", "names several types, which ObjectName does not go with")
	}
	// As kubectl's own printer is set up: a key that is missing finds nothing.
	q.template = jsonpath.New("out").AllowMissingKeys(true)
	if err := q.template.Parse("{" + path + "}"); err != nil {
		return query{}, invalid("JsonPath", "is not valid: %s", err)
	}
	return q, nil
}

// attempt reads once.
func (q query) attempt(ctx context.Context, client *kube.Client, end time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, max(time.Until(end), attemptTime))
	defer cancel()
	content, err := q.read(ctx, client)
	if err != nil {
		return "", err
	}
	var text limited
	err = q.template.Execute(&text, content)
	if text.over {
		return "", errTooLarge
	}
	if err != nil {
		// Such as an index beyond the end of a list that will have grown next time.
		// The error's own text can quote the object.
		f := fault.New(fault.Failed, "JsonPath {%s} does not fit what was read", q.path)
		f.Err = err
		return "", f
	}
	return text.String(), nil
}

// limited is a buffer of what can be answered at all: a path such as {..} repeats every part of an
// object once more for each that it is in.
type limited struct {
	bytes.Buffer
	over bool
}

// errTooLarge is the error of a path that finds more.
var errTooLarge = &fault.Error{
	Code:    fault.Failed,
	Message: fmt.Sprintf("JsonPath finds more than the %d bytes that Lambda returns", answerLimit),
	Field:   "/ResourceProperties/JsonPath",
	Next:    "Ask for less by ObjectName, ObjectLabels, Fields or JsonPath.",
	Err:     kube.ErrTooLarge,
}

// Write implements io.Writer.
func (l *limited) Write(text []byte) (int, error) {
	if l.over = l.over || l.Len()+len(text) > answerLimit; l.over {
		return 0, errTooLarge
	}
	return l.Buffer.Write(text)
}

// read reads the named object, or those that the labels select as the List that kubectl makes of
// them, even of none.
func (q query) read(ctx context.Context, client *kube.Client) (any, error) {
	if q.name != "" {
		object, err := client.Get(ctx, q.resources[0], q.namespace, q.name)
		if err != nil {
			return nil, err
		}
		if len(q.fields) > 0 {
			_, err = q.fields.Reduce(object)
		}
		return object.Object, err
	}
	list := unstructured.UnstructuredList{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "List",
		"metadata":   map[string]any{"resourceVersion": ""},
	}}
	for _, resource := range q.resources {
		items, err := client.List(ctx, resource, q.namespace, q.labels, q.fields)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, items...)
	}
	return list.UnstructuredContent(), nil
}

// final reports whether another attempt would fail alike.
func final(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsBadRequest(err) ||
		fault.CodeOf(err) == fault.AccessDenied || fault.CodeOf(err) == fault.InvalidRequest || errors.Is(err, errTooLarge)
}

// timedOut says what was waited for in vain. Its first words are those of the CDK's handler. What
// time cures stays so: of an API server that has not answered yet, nothing is known.
func (q query) timedOut(last error) error {
	object := strings.Join(q.resources, ",")
	switch {
	case q.name != "":
		object += " " + q.name
	case q.labels != "":
		object += " -l " + q.labels
	}
	scope := "-n " + q.namespace
	if q.namespace == "" {
		scope = "-A"
	}
	f := fault.New(fault.Failed, "Timeout waiting for output from kubectl command: get %s %s -o jsonpath={%s}", scope, object, q.path)
	if last == nil {
		f.Message += " (the path finds nothing)"
		return f
	}
	if code := fault.CodeOf(last); code.Retried() {
		f.Code = code
	}
	f.Message += " (last error: " + fault.As(last).Message + ")"
	if !errors.Is(last, kube.ErrStale) {
		// A stale connection has been made anew all the time; the request is not to be made again.
		f.Err = last
	}
	return f
}
