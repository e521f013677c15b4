package cluster

import (
	"localcloud/kubernetes/internal/loopback"
)

// Names of the components: each is the argv[0] under which this binary is that component, and the
// stem of its log file.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
)

// serviceRange is what EKS gives a cluster whose VPC lies in 10.0.0.0/8, serviceAddress the address
// of the service "kubernetes" in it.
const (
	serviceRange   = "172.20.0.0/16"
	serviceAddress = "172.20.0.1"
)

// podRange is where kwok takes pod addresses from: apart from the nodes', in the same network, as with
// the VPC CNI.
const podRange = "10.0.128.1/17"

// etcdArguments make a store of one member. Fsync is off: a machine that loses power may lose the
// cluster, and the start is seconds faster on slow disks.
func etcdArguments(o Options, p ports) []string {
	client, peer := "http://"+p.etcd.HostPort(), "http://"+p.etcdPeer.HostPort()
	return []string{
		"--name=local",
		"--data-dir=" + o.file("etcd"),
		"--unsafe-no-fsync",
		"--log-level=warn",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=local=" + peer,
	}
}

func apiServerArguments(o Options, p ports, c certificates) []string {
	arguments := []string{
		"--etcd-servers=http://" + p.etcd.HostPort(),
		"--bind-address=" + loopback.Address,
		"--secure-port=" + p.endpoint.String(),
		"--advertise-address=" + loopback.Address,
		// No kubelet and no pod network: nobody reaches the API through the service "kubernetes",
		// and a loopback address is not a valid endpoint of it.
		"--endpoint-reconciler-type=none",
		// Webhooks in pods: the API server picks a ready endpoint by itself, as there is no kube-proxy,
		// and reaches it through the socket, as there is no pod network.
		"--enable-aggregator-routing=true",
		"--egress-selector-config-file=" + o.file("egress.yaml"),
		"--service-cluster-ip-range=" + serviceRange,
		"--client-ca-file=" + c.ca.Cert,
		"--tls-cert-file=" + c.server.Cert,
		"--tls-private-key-file=" + c.server.Key,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=" + o.Issuer,
		"--service-account-key-file=" + c.token.Cert,
		"--service-account-signing-key-file=" + c.token.Key,
		"--audit-policy-file=" + o.file("audit-policy.yaml"),
		"--audit-log-path=" + o.AuditLog,
		"--audit-log-format=json",
		// Written before the request is answered: who has the answer finds the line.
		"--audit-log-mode=blocking",
	}
	if o.WebhookConfig != "" {
		arguments = append(arguments,
			"--authentication-token-webhook-config-file="+o.WebhookConfig,
			// The default of two minutes would hide a changed access entry for that long.
			"--authentication-token-webhook-cache-ttl=5s",
		)
	}
	return arguments
}

func controllerManagerArguments(o Options, p ports, c certificates) []string {
	return append(controllerArguments(o, p.controllerManager, c, controllerManager),
		"--use-service-account-credentials=true",
		// With the default of 20 requests a second the controllers' first wave delays the default
		// ServiceAccount, and with it every first pod, by five seconds.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		// Simulated nodes do not die. On a busy machine their heartbeats come late, and the controller
		// would take the readiness of their pods away, which nothing here gives back.
		"--node-monitor-grace-period=24h",
		"--service-account-private-key-file="+c.token.Key,
		"--root-ca-file="+c.ca.Cert,
		"--cluster-signing-cert-file="+c.ca.Cert,
		"--cluster-signing-key-file="+c.ca.Key,
	)
}

func schedulerArguments(o Options, p ports, c certificates) []string {
	return controllerArguments(o, p.scheduler, c, scheduler)
}

// controllerArguments are what controller manager and scheduler have in common.
func controllerArguments(o Options, port *loopback.Port, c certificates, name string) []string {
	kubeconfig := o.file(name + ".kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + loopback.Address,
		"--secure-port=" + port.String(),
		"--tls-cert-file=" + c.server.Cert,
		"--tls-private-key-file=" + c.server.Key,
		"--leader-elect=false", // there is only one
	}
}

func kwokArguments(o Options, p ports) []string {
	return []string{
		"--kubeconfig=" + o.file(kwok+".kubeconfig"),
		"--config=" + o.file("stages.yaml"),
		"--manage-all-nodes=true",
		"--cidr=" + podRange,
		"--server-address=" + p.kwok.HostPort(),
	}
}
