package kubeconfig_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"localcloud/kubernetes/internal/kubeconfig"
	"localcloud/kubernetes/internal/pki"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	authority, err := pki.Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("admin", "local-admin")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "admin.kubeconfig")
	if err := kubeconfig.Write(path, "https://127.0.0.1:1234", authority.Pair("ca").Cert, client); err != nil {
		t.Fatal(err)
	}

	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("https://127.0.0.1:1234", config.Host); diff != "" {
		t.Errorf("server: -want, +got:\n%s", diff)
	}
	for name, data := range map[string][]byte{"ca": config.CAData, "certificate": config.CertData, "key": config.KeyData} {
		if len(data) == 0 {
			t.Errorf("%s is not embedded", name)
		}
	}
}

func TestWriteWithoutCertificate(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if err := kubeconfig.Write(filepath.Join(dir, "out"), "", missing, pki.Pair{}); err == nil {
		t.Error("Write made a kubeconfig without the authority's certificate")
	}
}
