// Package cluster runs one Kubernetes control plane with simulated nodes as child processes.
//
// It owns what a cluster is made of: the files in its folder, the arguments of every component and
// the order in which they start. It knows nothing of AWS; what EKS adds comes in as [Options].
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"localcloud/kubernetes/internal/loopback"
	"localcloud/kubernetes/internal/process"
)

const (
	// startLimit is far above the seconds that a start takes, for machines busy with a build.
	startLimit = 3 * time.Minute
	// grace is how long a component may take to end by itself.
	grace = 2 * time.Second
)

// Run starts the cluster, reports on out and keeps it running until ctx ends, which is no error, or
// until a component ends, which is. No component is left when it returns. The options must be
// complete. Run pins its goroutine to a thread; see [process.NewGroup].
func Run(ctx context.Context, o Options, executable string, out io.Writer) error {
	started := time.Now()
	held, err := lock(o)
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // ends the lock; nothing was written
	if err := os.Remove(o.file("ready")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old ready file: %w", err)
	}
	p, err := reservePorts(o.EndpointPort)
	if err != nil {
		return err
	}
	endpoint := "https://" + p.endpoint.HostPort()
	c, err := writeFiles(o, endpoint)
	if err != nil {
		return err
	}

	pods, err := listenPods(o)
	if err != nil {
		return err
	}
	defer pods.Close() //nolint:errcheck // ends what is served there

	group := process.NewGroup(executable, o.Dir)
	defer group.Stop(grace)
	defer os.Remove(o.file("ready")) //nolint:errcheck // runs before Stop: not ready once components end

	// Waiting ends when a component does: otherwise a flag that a component refuses would look like
	// a slow start.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case exit := <-group.Ended():
			cancel(exit)
		case <-ctx.Done():
		}
	}()

	ready, err := start(ctx, o, p, c, group)
	if err == nil && o.Attach != nil {
		err = attach(ctx, o, c, pods)
	}
	if err == nil {
		ready.Seconds = time.Since(started).Round(10 * time.Millisecond).Seconds()
		err = writeReady(o, ready)
	}
	if err == nil {
		fmt.Fprintf(out, "ready after %.2f s: %s, kubeconfig %s\n", ready.Seconds, ready.Endpoint, ready.Kubeconfig)
		<-ctx.Done()
	}
	return outcome(ctx, err)
}

// attach hands the running cluster to whoever adds to it.
func attach(ctx context.Context, o Options, c certificates, pods net.Listener) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.file("admin.kubeconfig"))
	if err != nil {
		return fmt.Errorf("read own kubeconfig: %w", err)
	}
	certificate, err := tls.LoadX509KeyPair(c.server.Cert, c.server.Key)
	if err != nil {
		return fmt.Errorf("read certificate of the server: %w", err)
	}
	ca, err := os.ReadFile(c.ca.Cert)
	if err != nil {
		return fmt.Errorf("read certificate of the authority: %w", err)
	}
	return o.Attach(ctx, Access{Config: config, Certificate: certificate, CA: ca, Pods: pods})
}

// outcome picks the error that tells the reader most: the component that ended, nothing when the
// caller asked for the end, or what went wrong otherwise.
func outcome(ctx context.Context, err error) error {
	var exit *process.Exit
	if errors.As(context.Cause(ctx), &exit) {
		return exit
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// start brings the components up, each when what it needs is there.
func start(ctx context.Context, o Options, p ports, c certificates, group *process.Group) (Ready, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("the cluster did not start within %s; its logs are in %s", startLimit, o.Dir))
	defer cancel()

	if err := launch(group, etcd, etcdArguments(o, p), p.etcd, p.etcdPeer); err != nil {
		return Ready{}, err
	}
	if err := untilHealthy(ctx, http.DefaultClient, "http://"+p.etcd.HostPort()+"/health"); err != nil {
		return Ready{}, err
	}
	if err := launch(group, apiServer, apiServerArguments(o, p, c), p.endpoint); err != nil {
		return Ready{}, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.file("admin.kubeconfig"))
	if err != nil {
		return Ready{}, fmt.Errorf("read own kubeconfig: %w", err)
	}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return Ready{}, fmt.Errorf("make client of the API server: %w", err)
	}
	if err := untilHealthy(ctx, web, config.Host+"/readyz"); err != nil {
		return Ready{}, err
	}
	if err := launch(group, controllerManager, controllerManagerArguments(o, p, c), p.controllerManager); err != nil {
		return Ready{}, err
	}
	if err := launch(group, scheduler, schedulerArguments(o, p, c), p.scheduler); err != nil {
		return Ready{}, err
	}
	if err := launch(group, kwok, kwokArguments(o, p), p.kwok); err != nil {
		return Ready{}, err
	}
	client, err := kubernetes.NewForConfigAndClient(config, web)
	if err != nil {
		return Ready{}, fmt.Errorf("make client of the API server: %w", err)
	}
	nodes, err := registerNodes(ctx, client, o.Nodes)
	if err != nil {
		return Ready{}, causeOf(ctx, err)
	}
	return Ready{
		Endpoint:   config.Host,
		PID:        os.Getpid(),
		Ports:      p.numbers(),
		Nodes:      nodes,
		CA:         o.file("ca.crt"),
		Kubeconfig: o.file("admin.kubeconfig"),
		AuditLog:   o.AuditLog,
	}, nil
}

// launch gives the component its ports at the last moment and starts it.
func launch(group *process.Group, name string, arguments []string, held ...*loopback.Port) error {
	for _, port := range held {
		if err := port.Release(); err != nil {
			return err
		}
	}
	return group.Start(name, arguments...)
}

// untilHealthy asks url until the answer is 200.
func untilHealthy(ctx context.Context, client *http.Client, url string) error {
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, fmt.Errorf("make request: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return causeOf(ctx, fmt.Errorf("wait for %s: %w", url, err))
	}
	return nil
}

// causeOf returns why ctx ended if it did, else err.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}
