package kube

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// sessionName is the one that `aws eks get-token` uses. User names of access entries made from
	// a role contain it, so it must not change.
	sessionName = "EKSGetTokenAuth"
	// sessionLife is the most that a role assumed by a role can have.
	sessionLife = time.Hour
	// sessionWindow renews the session early, so that no token is born with little life left.
	sessionWindow = 5 * time.Minute
	// descriptionLife bounds how long a recreated cluster of the same name goes unnoticed.
	descriptionLife = 5 * time.Minute
	// idleLife is how long a connection may rest. A sandbox is frozen between invocations, and a
	// connection that died meanwhile would cost its whole timeout.
	idleLife = 30 * time.Second
	// maxConnections bounds the cache of a function that serves many roles.
	maxConnections = 64

	queriesPerSecond = 100
	queryBurst       = 200
	dialTimeout      = 10 * time.Second
)

// Connector makes and caches the connections to clusters. It describes a cluster as the role of
// its configuration and authenticates to it as that role or as an assumed one.
type Connector struct {
	config aws.Config
	eks    *eks.Client
	sts    *sts.Client

	mu          sync.Mutex
	connections map[connectionKey]*connection
}

type connectionKey struct{ cluster, role string }

type connection struct {
	client    *Client
	tokens    *tokenSource
	transport http.RoundTripper
	described time.Time
	used      time.Time
}

// NewConnector returns a connector for the clusters of config's account and region.
func NewConnector(config aws.Config) *Connector {
	return &Connector{
		config:      config,
		eks:         eks.NewFromConfig(config),
		sts:         sts.NewFromConfig(config),
		connections: map[connectionKey]*connection{},
	}
}

// Connect returns a client for cluster as role, or as the connector's own role when role is empty.
//
// The client of an earlier call is used again with what it has discovered. An error that
// [ErrClusterNotFound] matches says that the cluster does not exist.
func (c *Connector) Connect(ctx context.Context, cluster, role string) (*Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := connectionKey{cluster, role}
	now := wall()
	if found, ok := c.connections[key]; ok && now.Sub(found.described) < descriptionLife {
		if now.Sub(found.used) > idleLife {
			closeIdle(found.transport)
		}
		if _, err := found.tokens.Token(ctx); err != nil {
			return nil, err
		}
		found.used = now
		return found.client, nil
	}
	made, err := c.connect(ctx, key)
	if err != nil {
		return nil, err
	}
	c.keep(key, made)
	return made.client, nil
}

// connect describes the cluster and makes a client whose caches are empty.
func (c *Connector) connect(ctx context.Context, key connectionKey) (*connection, error) {
	config, err := c.restConfig(ctx, key.cluster)
	if err != nil {
		return nil, err
	}
	credentials := c.config.Credentials
	if key.role != "" {
		credentials = aws.NewCredentialsCache(
			stscreds.NewAssumeRoleProvider(c.sts, key.role, func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = sessionName
				o.Duration = sessionLife
			}),
			func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = sessionWindow },
		)
	}
	tokens := newTokenSource(c.config, credentials, key)
	if _, err := tokens.Token(ctx); err != nil {
		return nil, err
	}
	direct, err := newTransport(config)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "make a transport for cluster %s", key.cluster)
	}
	transport := &bearer{source: tokens, next: direct}
	client, err := NewClient(config, Options{
		HTTP:           &http.Client{Transport: transport},
		Reauthenticate: tokens.Expire,
		Forget:         func() { c.forget(key) },
	})
	if err != nil {
		return nil, err
	}
	now := wall()
	return &connection{client: client, tokens: tokens, transport: transport, described: now, used: now}, nil
}

// restConfig describes the cluster and returns how to reach its API server.
func (c *Connector) restConfig(ctx context.Context, name string) (*rest.Config, error) {
	out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(name)})
	if err != nil {
		return nil, describeFault(err, name)
	}
	cluster := out.Cluster
	switch cluster.Status {
	case types.ClusterStatusCreating, types.ClusterStatusPending:
		return nil, unready(name, cluster.Status)
	case types.ClusterStatusDeleting:
		f := fault.New(fault.Failed, "cluster %s cannot be used: its status is %s", name, cluster.Status)
		f.Err = ErrClusterDeleting
		return nil, f
	case types.ClusterStatusFailed:
		return nil, fault.New(fault.Failed, "cluster %s cannot be used: its status is %s", name, cluster.Status)
	}
	if cluster.Endpoint == nil || cluster.CertificateAuthority == nil {
		return nil, unready(name, cluster.Status)
	}
	authority, err := base64.StdEncoding.DecodeString(aws.ToString(cluster.CertificateAuthority.Data))
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read the certificate authority of cluster %s", name)
	}
	return &rest.Config{
		Host:            aws.ToString(cluster.Endpoint),
		TLSClientConfig: rest.TLSClientConfig{CAData: authority},
		QPS:             queriesPerSecond,
		Burst:           queryBurst,
	}, nil
}

// unready is the error of a cluster that is being created.
func unready(name string, status types.ClusterStatus) error {
	f := fault.New(fault.Transient, "cluster %s is not ready yet: its status is %s", name, status)
	f.Err = ErrClusterNotReady
	return f
}

// newTransport makes a transport of one connection alone. client-go's own are kept for ever, one for
// each dialer that it meets.
func newTransport(config *rest.Config) (*http.Transport, error) {
	encryption, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	return utilnet.SetTransportDefaults(&http.Transport{
		DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: idleLife}).DialContext,
		TLSClientConfig: encryption,
	}), nil
}

// keep adds a connection, in the place of an older one to the same cluster as the same role.
func (c *Connector) keep(key connectionKey, made *connection) {
	c.drop(key)
	c.makeRoom()
	c.connections[key] = made
}

// forget drops a connection whose facts proved out of date.
func (c *Connector) forget(key connectionKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(key)
}

// drop takes a connection out, and closes what rests of it.
func (c *Connector) drop(key connectionKey) {
	if dropped, ok := c.connections[key]; ok {
		closeIdle(dropped.transport)
		delete(c.connections, key)
	}
}

// makeRoom drops the connection that rested longest when the cache is full.
func (c *Connector) makeRoom() {
	if len(c.connections) < maxConnections {
		return
	}
	var oldest connectionKey
	var used time.Time
	for key, connection := range c.connections {
		if used.IsZero() || connection.used.Before(used) {
			oldest, used = key, connection.used
		}
	}
	c.drop(oldest)
}
