package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"localcloud/kubernetes/internal/admission"
)

// Network is the pod network as the API server sees it: the proxy that all its connections to services
// and pods go through (https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/). Pods
// that the gate has let pass answer there as webhooks, with the certificate of the Secret that they
// mount, and allow everything. Nothing else answers.
type Network struct {
	client kubernetes.Interface
	pods   cache.SharedIndexInformer
}

// NewNetwork returns a network of the pods that the informer knows.
func NewNetwork(client kubernetes.Interface, pods cache.SharedIndexInformer) *Network {
	return &Network{client: client, pods: pods}
}

// Serve accepts connections until ctx ends. Each begins with an HTTP CONNECT.
func (n *Network) Serve(ctx context.Context, proxy net.Listener) {
	web := &http.Server{
		Handler: admission.Answer(func(context.Context, *admissionv1.AdmissionRequest) ([]byte, error) { return nil, nil }),
		// Only as long as the API server keeps a connection for reuse.
		IdleTimeout: 2 * time.Minute, ReadHeaderTimeout: timeout,
	}
	tunnels := &listener{connections: make(chan net.Conn), address: proxy.Addr(), done: ctx.Done()}
	go func() { _ = web.Serve(tunnels) }()
	go func() {
		<-ctx.Done()
		_ = proxy.Close()
		_ = web.Close()
	}()
	for {
		connection, err := proxy.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			tunnel, err := n.connect(ctx, connection)
			if err != nil {
				slog.InfoContext(ctx, "connection into the pod network", "error", err)
				_, _ = fmt.Fprint(connection, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				_ = connection.Close()
				return
			}
			select {
			case tunnels.connections <- tunnel:
			case <-ctx.Done():
				_ = tunnel.Close()
			}
		}()
	}
}

// connect reads the CONNECT request, finds the pod and speaks TLS in its name.
func (n *Network) connect(ctx context.Context, connection net.Conn) (net.Conn, error) {
	_ = connection.SetDeadline(time.Now().Add(timeout))
	request, err := http.ReadRequest(bufio.NewReader(connection))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if request.Method != http.MethodConnect {
		return nil, fmt.Errorf("method %s is not CONNECT", request.Method)
	}
	host, _, err := net.SplitHostPort(request.Host)
	if request.URL.Host != "" {
		host, _, err = net.SplitHostPort(request.URL.Host)
	}
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	certificate, err := n.certificate(ctx, host)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(connection, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	_ = connection.SetDeadline(time.Time{})
	return tls.Server(connection, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), nil
}

// certificate is the first that a Secret mounted by the Ready pod with the address holds.
func (n *Network) certificate(ctx context.Context, address string) (tls.Certificate, error) {
	for _, object := range n.pods.GetStore().List() {
		pod, ok := object.(*corev1.Pod)
		if !ok || pod.Status.PodIP != address || pod.Labels[Label] == "" || !Ready(pod) {
			continue
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.Secret == nil {
				continue
			}
			secret, err := n.client.CoreV1().Secrets(pod.Namespace).Get(ctx, volume.Secret.SecretName, metav1.GetOptions{})
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
			}
			return tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		}
	}
	return tls.Certificate{}, fmt.Errorf("no pod answers at %s", address)
}

// listener hands connections that exist already to an HTTP server.
type listener struct {
	connections chan net.Conn
	address     net.Addr
	done        <-chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case connection := <-l.connections:
		return connection, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; the channel belongs to the network.
func (l *listener) Close() error { return nil }

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.address }
