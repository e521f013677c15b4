package customresource

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

const (
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
	// attemptTime bounds one attempt: the answer is small, and a lost packet must not cost the rest.
	attemptTime = 5 * time.Second
	// endless bounds the attempts where nothing else does.
	endless = time.Minute
)

// newHTTP returns the client for answers. It follows no redirect away from TLS.
func newHTTP() *http.Client {
	return &http.Client{CheckRedirect: func(request *http.Request, via []*http.Request) error {
		if len(via) > 3 || request.URL.Scheme != via[0].URL.Scheme {
			return errors.New("refused a redirect")
		}
		return nil
	}}
}

// put sends an answer until it has arrived. The first success is the last attempt. An attempt whose
// own answer was lost may have arrived; the next one carries the same bytes to the same S3 object, so
// CloudFormation cannot see two answers.
func (r *Responder) put(ctx context.Context, event Event, text []byte) error {
	if err := check(event.ResponseURL); err != nil {
		r.options.Log.ErrorContext(ctx, "answer not sent", "request", event, "error", err.Error())
		return nil
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, endless)
		defer cancel()
	}
	for pause := r.options.Pause; ; pause = min(2*pause, lastPause) {
		again, err := r.attempt(ctx, event.ResponseURL, text)
		if err == nil {
			return nil
		}
		if !again {
			// Such as an expired URL: CloudFormation has given the request up.
			r.options.Log.ErrorContext(ctx, "answer refused", "request", event, "error", err.Error())
			return nil
		}
		if timer.Wait(ctx, pause/2+rand.N(pause/2+1)) != nil { //nolint:gosec // a pause is no secret
			r.options.Log.ErrorContext(ctx, "answer not sent", "request", event, "error", err.Error())
			return fault.Wrap(fault.Transient, err, "answer CloudFormation about %s", event).
				WithNext("Let the function reach Amazon S3, by a NAT gateway or an S3 gateway endpoint whose policy allows CloudFormation's buckets.")
		}
	}
}

// attempt sends an answer once, and reports whether it is worth to do so again.
func (r *Responder) attempt(ctx context.Context, address string, text []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(text))
	if err != nil {
		return false, errors.New("the ResponseURL is no address")
	}
	// The URL's signature covers an empty type; S3 refuses another.
	request.Header["Content-Type"] = []string{""}
	response, err := r.options.HTTP.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			// Its own text repeats the address.
			err = wrapped.Err
		}
		return true, err
	}
	defer response.Body.Close()                                  //nolint:errcheck // only read
	said, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // what arrived of it is enough
	code := response.StatusCode
	if code/100 == 2 {
		return false, nil
	}
	again = code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout ||
		// S3's word for an upload that took too long, with the status 400.
		bytes.Contains(said, []byte("RequestTimeout"))
	return again, errors.New("HTTP status " + response.Status)
}

// check refuses an address that cannot be CloudFormation's. Without TLS is only an emulator's, on the
// function's own machine, or on the machine of its container.
func check(address string) error {
	location, err := url.Parse(address)
	if err != nil || location.Host == "" {
		return errors.New("the ResponseURL is no address")
	}
	if location.Scheme == "https" {
		return nil
	}
	host := location.Hostname()
	if ip := net.ParseIP(host); location.Scheme == "http" && (host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate())) {
		return nil
	}
	return errors.New("the ResponseURL is not an https:// address")
}
