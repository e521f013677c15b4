package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

var (
	// ErrClusterNotFound is matched by the error of Connect when EKS knows no such cluster.
	ErrClusterNotFound = errors.New("cluster not found")
	// ErrStale is matched by an error that shows the endpoint or the certificate authority to be
	// out of date. Nothing reached the cluster; connecting again describes it anew.
	ErrStale = errors.New("the connection's facts are out of date")
	// ErrClusterNotReady is matched by the error of Connect while the cluster is being created.
	ErrClusterNotReady = errors.New("cluster not ready")
	// ErrClusterDeleting is matched by the error of Connect while the cluster is being deleted.
	ErrClusterDeleting = errors.New("cluster being deleted")
)

// describeFault classifies an error of DescribeCluster.
func describeFault(err error, cluster string) error {
	if awsfault.ClusterMissing(err) {
		return fault.Wrap(fault.Failed, errors.Join(ErrClusterNotFound, err), "describe cluster %s", cluster)
	}
	return fault.Wrap(awsfault.CodeOf(err), err, "describe cluster %s", cluster)
}

// authenticationFault classifies an error of obtaining a token.
func authenticationFault(err error, role string) error {
	if role == "" {
		return fault.Wrap(awsfault.CodeOf(err), err, "sign a token for the cluster")
	}
	f := fault.Wrap(awsfault.CodeOf(err), err, "assume role %s", role)
	if f.Code == fault.AccessDenied {
		f.WithNext("Let the role's trust policy name this function's role, and let this function's role call sts:AssumeRole on it.")
	}
	return f
}

// Classify turns an error of the API server or of the way to it into a classified one that still
// answers apierrors.IsNotFound and its like. Its message does not repeat what was sent.
func Classify(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var classified *fault.Error
	if errors.As(err, &classified) {
		return classified
	}
	err = conceal(err)
	if stale(err) {
		return fault.Wrap(fault.Transient, errors.Join(ErrStale, err), format, args...)
	}
	f := fault.Wrap(codeOf(err), err, format, args...)
	if text := err.Error(); strings.Contains(text, immutable) || strings.Contains(text, "may not change once set") || strings.Contains(text, "updates to statefulset spec for fields other than") {
		f.WithNext("Kubernetes cannot change this of an object that exists: delete the object first, or give it another name.")
	}
	if apierrors.IsUnauthorized(err) {
		f.WithNext("Give the role an access entry or a line in the ConfigMap kube-system/aws-auth; a new one takes up to a minute to work.")
	}
	return f
}

// codeOf classifies an error of the API server.
func codeOf(err error) fault.Code {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.AccessDenied
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.Conflict
	case apierrors.IsTooManyRequests(err):
		return fault.Throttled
	case errors.Is(err, context.DeadlineExceeded), transient(err):
		return fault.Transient
	}
	return fault.Failed
}

// schemaMismatch is how the API server's answer to a server-side apply of unknown fields or wrong
// types can be told from a passing failure: both are a 500 without a reason.
const schemaMismatch = "failed to create typed patch object"

// duplicateKeys is how server-side apply refuses a list with two elements of one key, such as two
// variables of one name, which every other request may have.
const duplicateKeys = "duplicate entries for key"

// lastingTexts are of 500s that come from what was sent: of the schema, and of a Secret's data that
// is not base64.
var lastingTexts = []string{schemaMismatch, duplicateKeys, "failed to convert new object"}

// passingTexts are of 500s that time is known to cure: a webhook whose pods are not there yet, a
// storage that changes its leader, an API server that starts or stops.
var passingTexts = []string{
	"failed calling webhook", "no endpoints available", "etcdserver", "timed out", "timeout", "deadline exceeded",
	"connection refused", "connection reset", "EOF", "dial tcp", "not yet", "not ready", "starting", "shutting down",
}

// odd reports whether an error is the API server's own and not known to pass.
func odd(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == http.StatusInternalServerError &&
		!mentions(status, passingTexts)
}

// mentions reports whether an answer's message has one of the texts.
func mentions(answer apierrors.APIStatus, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(answer.Status().Message, text) })
}

// clientSideOnly reports whether an error is of an object that server-side apply cannot take where
// kubectl's own apply can: one that does not fit its kind's schema, if that is not to be validated, and
// one with elements of the same key.
func clientSideOnly(err error, options WriteOptions) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) &&
		(mentions(status, []string{duplicateKeys}) || options.SkipValidation && mentions(status, []string{schemaMismatch}))
}

// transient reports whether the same call may succeed a moment later.
func transient(err error) bool {
	var classified *fault.Error
	if errors.As(err, &classified) {
		return false
	}
	var status apierrors.APIStatus
	known := errors.As(err, &status)
	switch {
	case stale(err), errors.Is(err, context.Canceled), known && mentions(status, lastingTexts):
		return false
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsUnexpectedServerError(err):
		return true
	case apierrors.IsInternalError(err):
		// Such as a webhook whose endpoints are not ready yet.
		return true
	}
	if known {
		return status.Status().Code >= 500
	}
	return networkError(err)
}

// unsent reports whether the API server surely did nothing, so that even a call that must not be
// made twice may be made again.
func unsent(err error) bool {
	var op *net.OpError
	return !stale(err) && (apierrors.IsTooManyRequests(err) || utilnet.IsConnectionRefused(err) ||
		errors.As(err, &op) && op.Op == "dial")
}

// networkError reports whether the connection failed rather than the other side.
func networkError(err error) bool {
	var name *net.DNSError
	var op *net.OpError
	return errors.As(err, &name) || errors.As(err, &op) && op.Op == "dial" || utilnet.IsTimeout(err) || utilnet.IsProbableEOF(err) || utilnet.IsConnectionRefused(err) ||
		utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err)
}

// unserved reports whether the API server knows no such kind: that a path leads nowhere it says without a
// status, which tells it from an object that is missing.
func unserved(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// stale reports whether another machine answers at the endpoint, or none by that name exists.
func stale(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name *net.DNSError
	return errors.As(err, &verification) || errors.As(err, &authority) ||
		errors.As(err, &name) && name.IsNotFound
}
