package kube

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// answering is a transport with one answer.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestAnswersAreBounded(t *testing.T) {
	for size, fits := range map[int]bool{9: true, 10: true, 11: false, 100: false} {
		response, err := (&bounded{limit: 10, next: answering(strings.Repeat("x", size))}).RoundTrip(&http.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(response.Body); (err == nil) != fits || len(text) > 10 {
			t.Errorf("of %d bytes %d were read, %v", size, len(text), err)
		}
	}
}
