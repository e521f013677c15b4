package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"localcloud/kubernetes/internal/cluster"
	"localcloud/kubernetes/internal/fargate"
)

// runServer runs a cluster until it is told to end, the process that started it is gone, or a
// component ends.
func runServer() int {
	var o cluster.Options
	flags := flag.NewFlagSet("kubernetes server", flag.ContinueOnError)
	flags.StringVar(&o.Dir, "dir", "", "folder for everything the cluster writes; an earlier run's folder continues that cluster (required)")
	flags.IntVar(&o.EndpointPort, "endpoint-port", 0, "port of the API server on 127.0.0.1; 0 takes a free one, to be read from DIR/ready")
	flags.StringVar(&o.WebhookConfig, "webhook-config", "", "kubeconfig of the token authentication webhook")
	flags.StringVar(&o.AuditLog, "audit-log", "", "file of the audit log (default DIR/audit.log)")
	flags.StringVar(&o.Issuer, "service-account-issuer", cluster.DefaultIssuer, "service account issuer; on EKS the URL of the cluster's OIDC issuer")
	flags.IntVar(&o.Nodes, "nodes", 1, "number of simulated nodes")
	var additions eks
	flags.StringVar(&additions.region, "region", "us-east-1", "AWS region that the cluster is in")
	flags.StringVar(&additions.gate, "gate-url", "", "service that is asked whether the program of a pod with the label localcloud.gate works")
	detached := flags.Bool("detached", false, "go on when the process that started the server is gone")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil: // the flag package has said why
		return 2
	case flags.NArg() > 0:
		fmt.Fprintln(os.Stderr, "unexpected arguments:", flags.Args())
		return 2
	}
	o, err := o.Complete()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	additions.profiles = fargate.File(filepath.Join(o.Dir, "fargate.json"))
	o.Attach = additions.attach
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "find own binary:", err)
		return 1
	}

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer cancel()
	if !*detached {
		go endWithParent(ctx, cancel)
	}
	if err := cluster.Run(ctx, o, executable, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes server:", err)
		return 1
	}
	return 0
}

// endWithParent ends ctx when the process that started this one is gone. It asks for the parent's id
// instead of for a parent death signal, since that signal comes when the parent's thread ends, which
// in Python and Go programs happens long before the process does.
func endWithParent(ctx context.Context, cancel context.CancelFunc) {
	parent := os.Getppid()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if os.Getppid() != parent {
				cancel()
				return
			}
		}
	}
}
