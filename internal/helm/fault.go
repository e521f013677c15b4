package helm

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// pointer is the JSON pointer of a property.
func pointer(field string) string { return "/ResourceProperties/" + field }

// invalid says what is wrong with what the caller asked for.
func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidRequest, format, args...).WithField(pointer(field))
}

// oneLine makes one line of a text, as an error message has to be.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// quotedValues are the places where a schema's violation quotes the value, which may be a secret.
var quotedValues = regexp.MustCompile(`'(?:[^'\\]|\\.)*' (does not match pattern|is not valid)`)

// concealed leaves the values out of a schema's violations.
func concealed(text string) string {
	return oneLine(quotedValues.ReplaceAllString(text, "the value $1"))
}

// The SDK makes many of its errors of text alone, so only their text tells them apart. The tests
// provoke each one, so that a new version of the SDK with other words fails them.
const (
	textSchema   = "values don't meet the specifications of the schema(s)"
	textOwner    = "exists and cannot be imported into the current release"
	textPending  = "another operation (install/upgrade/rollback) is in progress"
	textVersion  = "chart requires kubeVersion"
	textNoKind   = "no matches for kind"
	textReused   = "cannot re-use a name that is still in use"
	textTimeout  = "timed out waiting for the condition"
	textDeadline = "context deadline exceeded"
)

// unrendered is of a template that fails with the values it is given, or makes no YAML of them.
var unrendered = regexp.MustCompile(`execution error at \(|parse error at \(|YAML parse error on |template: \S+:\d+:`)

// passingTexts are of errors that time cures.
var passingTexts = []string{
	// A webhook whose pods are not ready refuses everything it looks at.
	// https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/4140
	"no endpoints available for service",
	"failed calling webhook",
	"i/o timeout",
	"TLS handshake timeout",
	"connection refused",
	"connection reset by peer",
	"http2: client connection lost",
	"unexpected EOF",
	"etcdserver: ",
	"the object has been modified",
	"object is being deleted",
	"because it is being terminated",
	// The chart that brings the kind may be on its way, in parallel.
	textNoKind,
}

// notReady reports whether an error is the end of a wait for objects.
func notReady(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(err.Error(), textTimeout) || strings.Contains(err.Error(), textDeadline)
}

// mistaken classifies the errors that are the request's own, and returns nil for others.
func mistaken(err error, what string) *fault.Error {
	text := err.Error()
	switch {
	case strings.Contains(text, textSchema):
		_, violations, _ := strings.Cut(text, textSchema+" in the following chart(s):")
		return invalid("Values", "%s: the values violate the chart's schema: %s", what, concealed(violations))
	case strings.Contains(text, textVersion):
		return invalid("Version", "%s: %s", what, oneLine(text)).
			WithNext("Choose a version of the chart that supports the cluster's Kubernetes version.")
	case strings.Contains(text, textOwner):
		f := fault.Wrap(fault.Conflict, errors.New(oneLine(text)), "%s", what)
		return f.WithNext("Delete the object, or give it the label app.kubernetes.io/managed-by=Helm and the annotations meta.helm.sh/release-name and meta.helm.sh/release-namespace.")
	case unrendered.MatchString(text):
		return invalid("Values", "%s: the chart's templates cannot be rendered with these values: %s", what, oneLine(text))
	case strings.Contains(text, textPending), strings.Contains(text, textReused), errors.Is(err, driver.ErrReleaseExists):
		return fault.New(fault.InProgress, "%s: another operation on the release is in progress", what)
	}
	return nil
}

// classify turns an error of an action into a classified one.
func classify(err error, what string) error {
	if f := mistaken(err, what); f != nil {
		f.Err = err
		return f
	}
	classified := fault.As(kube.Classify(err, "%s", what))
	classified.Message = oneLine(classified.Message)
	if classified.Code == fault.Failed && passingText(err) {
		classified.Code = fault.Transient
	}
	if strings.Contains(err.Error(), textNoKind) {
		// It has been waited for already.
		classified.Code = fault.Failed
		classified.WithNext("Install the CustomResourceDefinition first.")
	}
	return classified
}

// passingText reports whether an error's text is of one that time cures.
func passingText(err error) bool {
	for _, text := range passingTexts {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// again reports whether an action that ended in an error may succeed a moment later.
func again(err error) bool {
	if notReady(err) || mistaken(err, "") != nil {
		return false
	}
	return passingText(err) || fault.CodeOf(kube.Classify(err, "again")).Retried()
}
