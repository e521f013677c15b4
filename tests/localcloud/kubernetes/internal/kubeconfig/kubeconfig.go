// Package kubeconfig writes client configurations for one API server and one client certificate.
package kubeconfig

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"localcloud/kubernetes/internal/pki"
)

// Write stores at path a configuration that reaches server, trusts the authority in the file ca and
// presents client. The certificates are embedded, so that the one file can be handed to a process
// that sees no other file of the cluster.
func Write(path, server, ca string, client pki.Pair) error {
	var contents [3][]byte
	for i, name := range []string{ca, client.Cert, client.Key} {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read file for kubeconfig: %w", err)
		}
		contents[i] = data
	}

	const name = "local"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: server, CertificateAuthorityData: contents[0]}
	config.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: contents[1], ClientKeyData: contents[2]}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name

	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
