package kube

import (
	"context"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/timer"
)

// Options are the optional parts of a [Client].
type Options struct {
	// HTTP is the client to use; one is made from the configuration when it is nil.
	HTTP *http.Client
	// Patience bounds the retries of one call after transient errors; 30 s when zero.
	Patience time.Duration
	// Reauthenticate is called after a 401, and the call is made again. When it is nil, a 401 is final.
	Reauthenticate func()
	// Forget is called when an error shows that the connection's facts are out of date.
	Forget func()
}

// Client works on the objects of one cluster as one identity. Errors are classified by package
// fault and still answer apierrors.IsNotFound and its like.
type Client struct {
	options Options
	config  *rest.Config
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	// names is mapper with the short names that people write, such as svc.
	names    meta.RESTMapperWithContext
	patience Patience
	// spent is what of patience was used up. When it is nil, each call has its own.
	spent *spent
	// listed is what the lists may have still. When it is nil, each list has its own.
	listed *allowance
}

// NewClient returns a client for the API server of config. What it discovers is kept until a kind
// is asked for that is not among it.
func NewClient(config *rest.Config, options Options) (*Client, error) {
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	if options.HTTP == nil {
		made, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "make an HTTP client for %s", config.Host)
		}
		options.HTTP = made
	}
	options.HTTP = withBounds(options.HTTP)
	config = rest.CopyConfig(config)
	// The API server's warnings can quote an object, and client-go logs them.
	config.WarningHandler = rest.NoWarnings{}
	objects, err := dynamic.NewForConfigAndClient(config, options.HTTP)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make a client for %s", config.Host)
	}
	discoverer, err := discovery.NewDiscoveryClientForConfigAndClient(config, options.HTTP)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make a discovery client for %s", config.Host)
	}
	cached := memory.NewMemCacheClientWithContext(discoverer)
	mapper := restmapper.NewDeferredDiscoveryRESTMapperWithContext(cached)
	return &Client{
		options: options,
		config:  config,
		dynamic: objects,
		mapper:  mapper,
		names:   restmapper.NewShortcutExpanderWithContext(mapper, cached, nil),
		patience: Patience{
			Transient:    options.Patience,
			Unauthorized: min(options.Patience, defaultUnauthorizedPatience),
		},
	}, nil
}

// Config returns a configuration for other clients of the cluster. They share this one's
// connections and identity; the API server's warnings are dropped, as they can quote an object.
func (c *Client) Config() *rest.Config {
	return &rest.Config{
		Host:           c.config.Host,
		APIPath:        c.config.APIPath,
		Transport:      c.options.HTTP.Transport,
		QPS:            c.config.QPS,
		Burst:          c.config.Burst,
		WarningHandler: rest.NoWarnings{},
	}
}

// Do makes a call of a client that was made from Config, as this one makes its own: again after an
// error that time cures, and with a classified error, whose message begins as what says.
func (c *Client) Do(ctx context.Context, what string, call func(context.Context) error) error {
	return Classify(c.do(ctx, transient, call), "%s", what)
}

// do makes a call, and makes it again with growing delays while again says that this is useful.
func (c *Client) do(ctx context.Context, again func(error) bool, call func(context.Context) error) error {
	backoff := wait.Backoff{Duration: firstDelay, Factor: 2, Jitter: 0.2, Steps: 1 << 20, Cap: lastDelay}
	used := c.spent
	if used == nil {
		used = &spent{}
	}
	var last error
	for {
		begun := time.Now()
		err := call(ctx)
		if err != nil && last != nil && ctx.Err() != nil {
			// The deadline says less than what was waited for in vain.
			return last
		}
		last = err
		var class *time.Duration
		var patience time.Duration
		switch {
		case err == nil:
			return nil
		case apierrors.IsUnauthorized(err) && c.options.Reauthenticate != nil:
			c.options.Reauthenticate()
			class, patience = &used.unauthorized, c.patience.Unauthorized
		case stale(err) && c.options.Forget != nil:
			c.options.Forget()
			return err
		case !again(err):
			return err
		case odd(err), unserved(err):
			class, patience = &used.odd, min(oddPatience, c.patience.Transient)
		default:
			class, patience = &used.transient, c.patience.Transient
		}
		delay := backoff.Step()
		if !used.take(class, time.Since(begun)+delay, patience) || timer.Wait(ctx, delay) != nil {
			return err
		}
	}
}

// mapped makes a look-up in the discovered kinds, refreshing them once when there is no match.
func (c *Client) mapped(ctx context.Context, look func(context.Context) error) error {
	err := c.do(ctx, transient, look)
	if meta.IsNoMatchError(err) {
		c.mapper.ResetWithContext(ctx)
		err = c.do(ctx, transient, look)
	}
	return err
}

// mapping finds the resource that serves a kind.
func (c *Client) mapping(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	var found *meta.RESTMapping
	err := c.mapped(ctx, func(ctx context.Context) (err error) {
		found, err = c.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
		return err
	})
	return found, err
}

// resourceNamed finds the resource by what people write: deployments, deploy, Deployment,
// deployments.apps or deployments.v1.apps, in kubectl's order of precedence.
func (c *Client) resourceNamed(ctx context.Context, argument string) (*meta.RESTMapping, error) {
	var found *meta.RESTMapping
	err := c.mapped(ctx, func(ctx context.Context) error {
		full, short := schema.ParseResourceArg(strings.ToLower(argument))
		var kind schema.GroupVersionKind
		var err error
		if full != nil {
			kind, err = c.names.KindForWithContext(ctx, *full)
		}
		if kind.Empty() {
			kind, err = c.names.KindForWithContext(ctx, short.WithVersion(""))
		}
		if err == nil {
			found, err = c.mapper.RESTMappingWithContext(ctx, kind.GroupKind(), kind.Version)
			return err
		}
		if !meta.IsNoMatchError(err) {
			return err
		}
		// The argument may be a kind. Its own error is the better one to report.
		asKind, asGroupKind := schema.ParseKindArg(argument)
		if asKind != nil {
			if m, kindErr := c.mapper.RESTMappingWithContext(ctx, asKind.GroupKind(), asKind.Version); kindErr == nil {
				found = m
				return nil
			}
		}
		if m, kindErr := c.mapper.RESTMappingWithContext(ctx, asGroupKind); kindErr == nil {
			found = m
			return nil
		}
		return err
	})
	return found, err
}

// in returns the interface for a mapping's objects in namespace, which cluster-scoped ones ignore.
func (c *Client) in(mapping *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	resource := c.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resource
	}
	return resource.Namespace(namespace)
}

// closeIdle closes the connections that rest.
func closeIdle(transport http.RoundTripper) { utilnet.CloseIdleConnectionsFor(transport) }
