package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"localcloud/kubernetes/internal/pki"
)

func TestServer(t *testing.T) {
	authority := open(t, t.TempDir())
	pair, err := authority.Server("server", "127.0.0.1", "localhost", "host.docker.internal")
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, pair)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, authority.Pair("ca")))

	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Address":  {reason: "An IP address becomes an IP SAN.", name: "127.0.0.1", want: true},
		"HostName": {reason: "A name becomes a DNS SAN.", name: "host.docker.internal", want: true},
		"Other":    {reason: "No other name is valid.", name: "example.org", want: false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := certificate.Verify(x509.VerifyOptions{DNSName: tc.name, Roots: roots})
			if got := err == nil; got != tc.want {
				t.Errorf("\n%s\nVerify(%q): got %v (%v), want %v", tc.reason, tc.name, got, err, tc.want)
			}
		})
	}
}

func TestClient(t *testing.T) {
	pair, err := open(t, t.TempDir()).Client("admin", "local-admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	subject := parse(t, pair).Subject
	if diff := cmp.Diff([]string{"local-admin", "system:masters"}, append([]string{subject.CommonName}, subject.Organization...)); diff != "" {
		t.Errorf("user and groups: -want, +got:\n%s", diff)
	}
	info, err := os.Stat(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the private key: got %o, want 600", got)
	}
}

// A cluster that is started again must keep its identity: kubeconfigs handed out stay valid and
// service account tokens stay signed by a known key.
func TestReuse(t *testing.T) {
	dir := t.TempDir()
	first := files(t, dir)
	if diff := cmp.Diff(first, files(t, dir)); diff != "" {
		t.Errorf("files after a second start: -first, +second:\n%s", diff)
	}

	if err := os.Remove(filepath.Join(dir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	second := files(t, dir)
	for _, name := range []string{"ca.crt", "server.crt", "client.crt"} {
		if first[name] == second[name] {
			t.Errorf("%s outlived its authority", name)
		}
	}
}

func TestOpenBroken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(dir, "test"); err == nil {
		t.Error("Open replaced an authority that it could not read")
	}
}

// files makes one of everything in dir and returns the contents by file name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	authority := open(t, dir)
	if _, err := authority.Server("server", "localhost"); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Client("client", "user"); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.TokenKey("token"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents[entry.Name()] = string(data)
	}
	return contents
}

func open(t *testing.T, dir string) *pki.Authority {
	t.Helper()
	authority, err := pki.Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func parse(t *testing.T, pair pki.Pair) *x509.Certificate {
	t.Helper()
	loaded, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Leaf
}
