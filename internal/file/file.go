// Package file reads files at https:// and s3:// addresses, a bounded number of bytes, with the
// credentials of its configuration where it reads from Amazon S3. It must not know what is in them.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	fetchAttempts = 3
	firstPause    = 500 * time.Millisecond
	// answerPatience bounds the wait for a server to begin its answer.
	answerPatience = 30 * time.Second
	connectTimeout = 10 * time.Second
)

// Reader reads files.
type Reader struct {
	config aws.Config
	http   *http.Client
}

// NewReader returns a reader. An HTTP client of nil stands for a usual one.
func NewReader(config aws.Config, client *http.Client) *Reader {
	if client == nil {
		client = NewHTTP()
	}
	return &Reader{config: config, http: client}
}

// invalid says what is wrong with an address.
func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidRequest, format, args...).WithField(field)
}

// EgressHint is what to do when nothing answers at an address.
const EgressHint = "Check the address, and that the function's subnets reach it: by a NAT gateway or, for Amazon ECR and S3, by VPC endpoints."

// NewHTTP returns a client for files that many requests share. It follows no redirect away from TLS.
func NewHTTP() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented to be one
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	transport.ResponseHeaderTimeout = answerPatience
	// A sandbox is frozen between invocations; what rests longer is likely dead.
	transport.IdleConnTimeout = connectTimeout
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
				return errors.New("refused a redirect from https to " + request.URL.Scheme)
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}
}

// statusError is an answer that is not the file.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "HTTP status " + e.status }

// passing reports whether time may cure an error of fetching.
func passing(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code >= 500 || status.code == http.StatusTooManyRequests
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return false
	}
	var large *SizeError
	var api smithy.APIError
	return !errors.As(err, &large) && !errors.As(err, &api) && !errors.Is(err, context.Canceled)
}

// Read reads the file at an https://, http:// or s3:// address, of at most limit bytes. what names
// the file in errors, and field is the JSON pointer of the property that gave the address. An s3://
// address may name a version of the object: s3://bucket/key?versionId=….
func (r *Reader) Read(ctx context.Context, address, what, field string, limit int64) ([]byte, error) {
	location, err := url.Parse(address)
	if err != nil || location.Host == "" {
		return nil, invalid(field, "%s is not at an address: %q", what, Shown(address))
	}
	get := r.get
	switch location.Scheme {
	case "https", "http":
	case "s3":
		get = r.object
	default:
		return nil, invalid(field, "%s has an address that is neither https:// nor s3://: %q", what, redacted(location))
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		content, err := get(ctx, location, limit)
		if err == nil {
			return content, nil
		}
		if attempt == fetchAttempts || !passing(err) || ctx.Err() != nil {
			return nil, fetchFault(err, what, field, location)
		}
		if timer.Wait(ctx, pause) != nil {
			return nil, fetchFault(err, what, field, location)
		}
		pause *= 3
	}
}

// Shown is an address as messages repeat it: without what stands before the host, which may be a password.
// The address need not be a valid one.
func Shown(address string) string { return userInfo.ReplaceAllString(address, "$1") }

var userInfo = regexp.MustCompile(`^([a-zA-Z0-9+.-]+://)[^/]*@`)

// redacted is an address for people: without a password.
func redacted(location *url.URL) string { return location.Redacted() }

// fetchFault classifies an error of fetching. What has been tried several times is not called
// transient, unless the server itself said so: a repository that nobody reaches needs a person.
func fetchFault(err error, what, field string, location *url.URL) error {
	code, next := fault.Failed, EgressHint
	var status *statusError
	var large *SizeError
	var api smithy.APIError
	switch {
	case errors.As(err, &status):
		next = "Check the address."
		if status.code >= 500 || status.code == http.StatusTooManyRequests {
			code, next = fault.Transient, ""
		}
	case errors.As(err, &large):
		next = ""
	case errors.As(err, &api):
		next = "Check the address."
		if awsfault.CodeOf(err) == fault.AccessDenied {
			code, next = fault.AccessDenied, "Let the function's own role read the object; without s3:ListBucket a missing one looks like this, too."
		}
	case errors.Is(err, context.DeadlineExceeded):
		code = fault.Transient
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		// Its own text repeats the address, with a password.
		err = wrapped.Err
	}
	f := fault.Wrap(code, err, "read %s from %s", what, redacted(location)).WithField(field)
	f.Next = next
	return f
}

// get reads a file over HTTP.
func (r *Reader) get(ctx context.Context, location *url.URL, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{code: response.StatusCode, status: response.Status}
	}
	return bounded(response.Body, limit)
}

// object reads an object from S3.
func (r *Reader) object(ctx context.Context, location *url.URL, limit int64) ([]byte, error) {
	client := s3.NewFromConfig(r.config)
	input := &s3.GetObjectInput{Bucket: aws.String(location.Host), Key: aws.String(strings.TrimPrefix(location.Path, "/"))}
	if version := location.Query().Get("versionId"); version != "" {
		input.VersionId = aws.String(version)
	}
	out, err := client.GetObject(ctx, input)
	if err != nil {
		var answer *smithyhttp.ResponseError
		if errors.As(err, &answer) && answer.HTTPStatusCode() >= 500 {
			return nil, &statusError{code: answer.HTTPStatusCode(), status: fmt.Sprint(answer.HTTPStatusCode())}
		}
		return nil, err
	}
	defer out.Body.Close() //nolint:errcheck // only read
	return bounded(out.Body, limit)
}

// Absent reports whether an error of Read may mean that there is no such file. Amazon S3 denies access
// to a missing object as to any other when the reader may not list the bucket.
func Absent(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code == http.StatusNotFound || status.code == http.StatusGone
	}
	return awsfault.Gone(err) || awsfault.NameOf(err) == "AccessDenied"
}

// SizeError says that a file is larger than it may be.
type SizeError struct{ Limit int64 }

// Error implements error.
func (e *SizeError) Error() string { return fmt.Sprintf("it has more than %d MiB", e.Limit>>20) }

// bounded reads at most limit bytes.
func bounded(reader io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(reader, limit+1))
	if err == nil && int64(len(content)) > limit {
		return nil, &SizeError{limit}
	}
	return content, err
}
