package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// DefaultIssuer is the service account issuer of a cluster that nobody federates with.
const DefaultIssuer = "https://kubernetes.default.svc.cluster.local"

// Options say what cluster to run.
type Options struct {
	// Dir holds everything the cluster writes. A folder of an earlier run continues that cluster.
	Dir string
	// EndpointPort is the API server's port, 0 for a free one.
	EndpointPort int
	// WebhookConfig is the kubeconfig of the token webhook, empty for none.
	WebhookConfig string
	// AuditLog is the file of the audit log; empty means audit.log in Dir.
	AuditLog string
	// Issuer is the service account issuer, on EKS the cluster's OIDC issuer.
	Issuer string
	// Nodes is the number of simulated nodes.
	Nodes int
	// Attach is called once the cluster runs, before anyone is told that it is ready, and may go on in
	// the background until the context ends. Nil for a cluster with nothing added.
	Attach func(context.Context, Access) error
}

// Access is what an addition to the cluster works with.
type Access struct {
	// Config is the administrator's.
	Config *rest.Config
	// Certificate is for a server on 127.0.0.1; CA, in PEM, is what its clients trust.
	Certificate tls.Certificate
	CA          []byte
	// Pods accepts the connections that the API server makes to services and pods, each an HTTP CONNECT.
	Pods net.Listener
}

// Complete returns the options with defaults filled in and every path absolute, since the components
// run in another folder. It refuses what no cluster can be made of.
func (o Options) Complete() (Options, error) {
	switch {
	case o.Dir == "":
		return o, errors.New("--dir is required: the folder that holds the cluster's files")
	case o.EndpointPort < 0 || o.EndpointPort > 65535:
		return o, fmt.Errorf("--endpoint-port %d is no port", o.EndpointPort)
	case o.Nodes < 0 || o.Nodes > 250:
		return o, fmt.Errorf("--nodes %d is not between 0 and 250", o.Nodes)
	}
	if o.Issuer == "" {
		o.Issuer = DefaultIssuer
	}
	if o.AuditLog == "" {
		o.AuditLog = filepath.Join(o.Dir, "audit.log")
	}
	for _, path := range []*string{&o.Dir, &o.AuditLog, &o.WebhookConfig} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, fmt.Errorf("find absolute path of %s: %w", *path, err)
		}
		*path = absolute
	}
	return o, nil
}

// file returns the path of a file in the cluster's folder.
func (o Options) file(name string) string { return filepath.Join(o.Dir, name) }
