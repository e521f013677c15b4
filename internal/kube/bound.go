package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

const (
	// answerLimit bounds one answer of the API server. The largest object has 1.5 MiB, etcd's limit.
	answerLimit = 64 << 20
	// listedLimit bounds what all the lists of a request have together. Decoded they take up to twelve
	// times as much memory, and while they are collected twice that, of a function's 1,024 MB.
	listedLimit = 24 << 20
)

// errListed is the error of an answer that does not fit into its allowance.
var errListed = errors.New("the lists of a request are too large")

// allowance is how many bytes the lists of a request may have still.
type allowance struct{ left atomic.Int64 }

func newAllowance() *allowance {
	a := &allowance{}
	a.left.Store(listedLimit)
	return a
}

type allowanceKey struct{}

// within returns a context whose answers count towards the allowance.
func (a *allowance) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, allowanceKey{}, a)
}

// bounded is the transport that ends an answer which would not fit into a function's memory.
type bounded struct {
	limit int64
	next  http.RoundTripper
}

// withBounds is a client whose answers are bounded.
func withBounds(client *http.Client) *http.Client {
	own := *client
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = &bounded{limit: answerLimit, next: own.Transport}
	return &own
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body := &boundedBody{ReadCloser: response.Body, left: b.limit, limit: b.limit}
	body.allowance, _ = request.Context().Value(allowanceKey{}).(*allowance)
	response.Body = body
	return response, nil
}

// WrappedRoundTripper lets client-go reach the transport below.
func (b *bounded) WrappedRoundTripper() http.RoundTripper { return b.next }

// boundedBody is a body that fails where it is too long.
type boundedBody struct {
	io.ReadCloser
	left, limit int64
	// allowance is that of the request, nil when its answer is no list.
	allowance *allowance
}

// Read implements io.Reader.
func (b *boundedBody) Read(to []byte) (int, error) {
	n, err := b.ReadCloser.Read(to)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the API server's answer has more than %d MiB", b.limit>>20)
	}
	if b.allowance != nil && b.allowance.left.Add(int64(-n)) < 0 {
		return 0, errListed
	}
	return n, err
}
