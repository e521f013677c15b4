package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"localcloud/kubernetes/internal/admission"
	"localcloud/kubernetes/internal/cluster"
	"localcloud/kubernetes/internal/fargate"
	"localcloud/kubernetes/internal/gate"
	"localcloud/kubernetes/internal/identity"
	"localcloud/kubernetes/internal/loopback"
)

// eks is what EKS runs beside a control plane: its webhooks and the scheduler of Fargate.
type eks struct {
	region   string
	gate     string
	profiles fargate.File
}

// attach starts everything in the background. It returns when the webhooks are registered, so that no
// pod is created before.
func (e eks) attach(ctx context.Context, access cluster.Access) error {
	config := *access.Config
	config.QPS, config.Burst = 500, 1000 // a local API server needs no protection from this one client
	client, err := kubernetes.NewForConfig(&config)
	if err != nil {
		return fmt.Errorf("make client of the API server: %w", err)
	}
	pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	scheduler, err := fargate.NewScheduler(client, e.profiles, e.region, recorder(broadcaster, fargate.SchedulerName), pods)
	if err != nil {
		return err
	}
	held, err := gate.New(client, e.gate, recorder(broadcaster, "kubelet"), pods)
	if err != nil {
		return err
	}
	go pods.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), pods.HasSynced) {
		return fmt.Errorf("watch pods: %w", context.Cause(ctx))
	}
	go scheduler.Run(ctx)
	go held.Run(ctx)
	go gate.NewNetwork(client, pods).Serve(ctx, access.Pods)

	mutations := []admission.Mutation{fargate.Mutation(client, e.profiles), identity.Mutation(client, e.region)}
	base, err := serve(ctx, access.Certificate, admission.Handler(mutations...))
	if err != nil {
		return err
	}
	return admission.Register(ctx, client, base, access.CA, mutations...)
}

func recorder(broadcaster record.EventBroadcaster, component string) record.EventRecorder {
	return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component})
}

// serve answers on a free port until ctx ends and returns the server's URL.
func serve(ctx context.Context, certificate tls.Certificate, handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", loopback.Address+":0")
	if err != nil {
		return "", fmt.Errorf("listen for webhooks: %w", err)
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	secure := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	go func() { _ = web.Serve(secure) }()
	go func() {
		<-ctx.Done()
		_ = web.Close()
	}()
	return "https://" + listener.Addr().String(), nil
}
