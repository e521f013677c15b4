package helm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// getter gives Helm its clients: the connection, identity and namespace of one request.
type getter struct {
	config    *rest.Config
	namespace string
	discovery discovery.CachedDiscoveryInterface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
}

// newGetter returns a getter whose requests all end with ctx. The SDK leaves work behind when it
// gives up waiting, and in a frozen and thawed sandbox that would go on in someone else's request.
func newGetter(ctx context.Context, cluster *kube.Client, namespace string) (*getter, error) {
	config := cluster.Config()
	config.Transport = &scoped{ctx: ctx, next: transportOf(&http.Client{Transport: config.Transport})}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make a discovery client")
	}
	cached := memory.NewMemCacheClient(client)
	return &getter{
		config:    config,
		namespace: namespace,
		discovery: cached,
		mapper:    restmapper.NewDeferredDiscoveryRESTMapper(cached),
	}, nil
}

// ToRESTConfig implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient implements genericclioptions.RESTClientGetter.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}

// ToRESTMapper implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter. Helm asks it for the namespace.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), &clientcmd.ConfigOverrides{
		Context: clientcmdapi.Context{Namespace: g.namespace},
	})
}

// scoped is a transport whose requests end with a context, whatever context they have themselves:
// the SDK's have none.
type scoped struct {
	ctx  context.Context //nolint:containedctx // the SDK has no other way to end its requests
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The answer's body is read after it returns, so the
// request's own context lives as long as the scope.
func (s *scoped) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(request.Context())
	context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	return s.next.RoundTrip(request.WithContext(ctx))
}

// WrappedRoundTripper lets client-go reach the transport below.
func (s *scoped) WrappedRoundTripper() http.RoundTripper { return s.next }

// journal keeps what the SDK says only in its log: why objects are not ready, and why some could not
// be deleted. What it says otherwise is dropped.
type journal struct {
	mu       sync.Mutex
	unready  string
	failures []error
}

// note implements action.DebugLog.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, sign := range []string{" is not ready: ", " is not completed: ", " is failed: ", " is not bound: ", "does not have "} {
		if strings.Contains(format, sign) {
			j.unready = strings.TrimSuffix(fmt.Sprintf(format, args...), ".")
		}
	}
	for _, arg := range args {
		if failures, ok := arg.([]error); ok {
			j.failures = append(j.failures, failures...)
		}
	}
}

// lastUnready returns why objects were not ready when last looked at.
func (j *journal) lastUnready() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unready
}

// kept returns the errors that the SDK kept to itself.
func (j *journal) kept() []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failures
}

// lenient is Helm's client of the cluster, except that a manifest which is only compared or deleted
// may have kinds that the cluster no longer knows: their objects are gone. Helm's own fails for
// such a release for ever.
type lenient struct {
	*helmkube.Client
	mapper meta.RESTMapper
}

// Build implements kube.Interface. The SDK validates what it is about to create, and nothing else.
func (l *lenient) Build(reader io.Reader, validate bool) (helmkube.ResourceList, error) {
	if validate {
		return l.Client.Build(reader, true)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	list, err := l.Client.Build(bytes.NewReader(text), false)
	if err == nil || !strings.Contains(err.Error(), textNoKind) {
		return list, err
	}
	return l.Client.Build(strings.NewReader(l.known(string(text))), false)
}

// known returns a manifest without the objects of kinds that the cluster does not know.
func (l *lenient) known(manifest string) string {
	var kept strings.Builder
	for _, document := range releaseutil.SplitManifests(manifest) {
		var head struct{ APIVersion, Kind string }
		if yaml.Unmarshal([]byte(document), &head) == nil {
			kind := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind)
			if _, err := l.mapper.RESTMapping(kind.GroupKind(), kind.Version); meta.IsNoMatchError(err) {
				continue
			}
		}
		kept.WriteString("\n---\n" + document)
	}
	return kept.String()
}

// configuration makes what an action works with. Actions cache what they discover in it.
func configuration(ctx context.Context, cluster *kube.Client, namespace string, journal *journal) (*action.Configuration, error) {
	getter, err := newGetter(ctx, cluster, namespace)
	if err != nil {
		return nil, err
	}
	made := &action.Configuration{}
	if err := made.Init(getter, namespace, "secrets", journal.note); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "set Helm up")
	}
	client, ok := made.KubeClient.(*helmkube.Client)
	if !ok {
		return nil, fault.New(fault.Internal, "set Helm up: its client is another than expected")
	}
	client.Namespace = namespace
	made.KubeClient = &lenient{Client: client, mapper: getter.mapper}
	return made, nil
}
