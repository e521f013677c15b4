package kube

import (
	"fmt"
	"io"
	"net/http"
)

// answerLimit bounds one answer of the API server. The largest object has 1.5 MiB, etcd's limit.
const answerLimit = 64 << 20

// bounded is the transport that ends an answer which would not fit into a function's memory.
type bounded struct {
	limit int64
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: b.limit, limit: b.limit}
	return response, nil
}

// WrappedRoundTripper lets client-go reach the transport below.
func (b *bounded) WrappedRoundTripper() http.RoundTripper { return b.next }

// boundedBody is a body that fails where it is too long.
type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(to []byte) (int, error) {
	n, err := b.ReadCloser.Read(to)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the API server's answer has more than %d MiB", b.limit>>20)
	}
	return n, err
}
