package cluster

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"localcloud/kubernetes/internal/kubeconfig"
	"localcloud/kubernetes/internal/pki"
)

//go:embed audit-policy.yaml egress.yaml stages/*.yaml
var manifests embed.FS

// certificates are the key pairs the components are given.
type certificates struct {
	ca, server, token pki.Pair
}

// identities are the users of the components, with the groups that Kubernetes' default RBAC expects
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#core-component-roles). kwok acts for
// every node, so the node authorizer has no place for it.
var identities = []struct {
	name, user string
	groups     []string
}{
	{name: "admin", user: "local-admin", groups: []string{"system:masters"}},
	{name: controllerManager, user: "system:kube-controller-manager"},
	{name: scheduler, user: "system:kube-scheduler"},
	{name: kwok, user: "kwok", groups: []string{"system:masters"}},
}

// serverNames are the names a client may reach the API server by: directly, from a SAM container
// through Docker's host gateway or default bridge, and from inside the cluster.
var serverNames = []string{
	"127.0.0.1", "localhost", "host.docker.internal", "172.17.0.1", serviceAddress,
	"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
}

// lock takes the folder for this process, so that two servers never share a store. The lock ends with
// the process, however it ends.
func lock(o Options) (*os.File, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cluster's folder: %w", err)
	}
	file, err := os.OpenFile(o.file("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s belongs to a server that is running", o.Dir)
	}
	return file, nil
}

// writeFiles makes certificates, kubeconfigs, the audit policy and kwok's stages. The files DIR/ca.crt
// and DIR/admin.kubeconfig are what users of the cluster need.
func writeFiles(o Options, endpoint string) (certificates, error) {
	var c certificates
	authority, err := pki.Open(o.file("pki"), "local-kubernetes")
	if err != nil {
		return c, err
	}
	c.ca = authority.Pair("ca")
	if c.server, err = authority.Server(apiServer, serverNames...); err != nil {
		return c, err
	}
	if c.token, err = authority.TokenKey("service-account"); err != nil {
		return c, err
	}
	for _, id := range identities {
		client, err := authority.Client(id.name, id.user, id.groups...)
		if err != nil {
			return c, fmt.Errorf("make client certificate of %s: %w", id.name, err)
		}
		if err := kubeconfig.Write(o.file(id.name+".kubeconfig"), endpoint, c.ca.Cert, client); err != nil {
			return c, err
		}
	}
	ca, err := os.ReadFile(c.ca.Cert)
	if err != nil {
		return c, fmt.Errorf("read certificate of the authority: %w", err)
	}
	if err := os.WriteFile(o.file("ca.crt"), ca, 0o644); err != nil {
		return c, fmt.Errorf("write certificate of the authority: %w", err)
	}
	return c, writeManifests(o)
}

// writeManifests copies the embedded manifests out; kwok takes its stages as one file of documents.
func writeManifests(o Options) error {
	for _, name := range []string{"audit-policy.yaml", "egress.yaml"} {
		data, err := manifests.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read embedded %s: %w", name, err)
		}
		if err := os.WriteFile(o.file(name), data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	entries, err := manifests.ReadDir("stages")
	if err != nil {
		return fmt.Errorf("list embedded stages: %w", err)
	}
	var documents []string
	for _, entry := range entries {
		stage, err := manifests.ReadFile("stages/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read embedded stage: %w", err)
		}
		documents = append(documents, string(stage))
	}
	if err := os.WriteFile(o.file("stages.yaml"), []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		return fmt.Errorf("write stages: %w", err)
	}
	return nil
}

// listenPods listens at DIR/pods.sock, which egress.yaml names relative to the API server's folder: a
// socket's path has room for about 100 characters, and DIR may be longer. Hence also the detour through
// an open folder.
func listenPods(o Options) (net.Listener, error) {
	folder, err := os.Open(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the cluster's folder: %w", err)
	}
	defer folder.Close() //nolint:errcheck // only read
	if err := os.Remove(o.file("pods.sock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/pods.sock", folder.Fd())})
	if err != nil {
		return nil, fmt.Errorf("listen for connections to pods: %w", err)
	}
	socket.SetUnlinkOnClose(false) // by then the path means something else
	return socket, nil
}

// Ready is the content of DIR/ready, the sign that the cluster can be used.
type Ready struct {
	// Endpoint is the API server's URL.
	Endpoint string `json:"endpoint"`
	// PID is the server process; SIGTERM to it ends the cluster.
	PID int `json:"pid"`
	// Ports are the ports of all components by name.
	Ports map[string]int `json:"ports"`
	// Nodes are the names of the simulated nodes.
	Nodes []string `json:"nodes"`
	// CA is the file with the authority's certificate.
	CA string `json:"ca"`
	// Kubeconfig is the administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// AuditLog is the file of the audit log.
	AuditLog string `json:"auditLog"`
	// Seconds is how long the start took.
	Seconds float64 `json:"seconds"`
}

// writeReady writes the file under another name first: who sees it, sees it whole.
func writeReady(o Options, ready Ready) error {
	data, err := json.MarshalIndent(ready, "", "  ")
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	temporary := filepath.Join(o.Dir, ".ready")
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.Rename(temporary, o.file("ready")); err != nil {
		return fmt.Errorf("put ready file in place: %w", err)
	}
	return nil
}
