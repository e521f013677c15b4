package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// resting is a transport that counts how often its idle connections were closed.
type resting struct {
	http.RoundTripper
	closed int
}

func (r *resting) CloseIdleConnections() { r.closed++ }

func TestDroppedConnectionsAreClosed(t *testing.T) {
	key := connectionKey{cluster: "dev-shop-cluster"}
	cases := map[string]struct {
		reason string
		drop   func(*Connector)
		left   int
	}{
		"Replaced":  {"the description is out of date", func(c *Connector) { c.keep(key, &connection{transport: &resting{}}) }, 1},
		"Forgotten": {"the endpoint is out of date", func(c *Connector) { c.forget(key) }, 0},
		"Displaced": {"the cache is full", func(c *Connector) {
			for i := range maxConnections {
				c.keep(connectionKey{role: fmt.Sprint(i)}, &connection{transport: &resting{}, used: time.Now()})
			}
		}, maxConnections},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := NewConnector(aws.Config{Region: "us-east-1"})
			transport := &resting{}
			c.keep(key, &connection{transport: &bearer{next: transport}, used: time.Now().Add(-time.Hour)})
			tc.drop(c)
			if transport.closed != 1 {
				t.Errorf("%s: closed %d times", tc.reason, transport.closed)
			}
			if diff := cmp.Diff(tc.left, len(c.connections)); diff != "" {
				t.Errorf("%s: connections (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTransportIsItsConnections(t *testing.T) {
	config := &rest.Config{Host: "https://cluster"}
	one, err := newTransport(config)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newTransport(config)
	if err != nil {
		t.Fatal(err)
	}
	if one == two || !one.ForceAttemptHTTP2 && one.TLSNextProto["h2"] == nil {
		t.Error("a transport is shared, or does not speak HTTP/2")
	}
}

// A connection rests while its sandbox is frozen, and so does the monotonic clock.
func TestAgesAreByTheWallClock(t *testing.T) {
	source := newTokenSource(aws.Config{}, nil, connectionKey{})
	for reason, now := range map[string]time.Time{"a connection's age": wall(), "a token's": source.now()} {
		if text := now.String(); strings.Contains(text, "m=") {
			t.Errorf("%s is by %s", reason, text)
		}
	}
}
