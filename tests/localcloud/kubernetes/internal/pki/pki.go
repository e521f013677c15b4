// Package pki owns the certificates and keys of one local control plane. It keeps them as files in
// one folder and makes only what is missing, so that a cluster started again is the same cluster.
// It knows nothing of Kubernetes: names and addresses come from the caller.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime of every certificate: longer than any local cloud lives, so that nothing is renewed.
const lifetime = 10 * 365 * 24 * time.Hour

// Authority is a certificate authority whose files lie in one folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// Pair names the two PEM files of a certificate.
type Pair struct {
	// Cert is the path of the certificate.
	Cert string
	// Key is the path of its private key.
	Key string
}

// Open returns the authority kept as ca.crt and ca.key in dir. It makes the folder and a new
// authority when there is none.
func Open(dir, commonName string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the certificates: %w", err)
	}
	a := &Authority{dir: dir}
	pair := a.Pair("ca")
	cert, key, err := load(pair)
	if errors.Is(err, fs.ErrNotExist) {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: commonName},
			IsCA:                  true,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		cert, key, err = issue(pair, template, nil, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("open the certificate authority in %s: %w", dir, err)
	}
	a.cert, a.key = cert, key
	return a, nil
}

// Pair returns the paths of the certificate called name, whether it exists or not.
func (a *Authority) Pair(name string) Pair {
	return Pair{Cert: filepath.Join(a.dir, name+".crt"), Key: filepath.Join(a.dir, name+".key")}
}

// Client makes sure of a client certificate for a user and its groups.
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.ensure(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Server makes sure of a server certificate for the host names and IP addresses in hosts.
func (a *Authority) Server(name string, hosts ...string) (Pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.ensure(name, template)
}

// ensure keeps a certificate that this authority has signed and makes any other anew: a folder
// copied together from two clusters must not yield certificates that nobody trusts.
func (a *Authority) ensure(name string, template *x509.Certificate) (Pair, error) {
	pair := a.Pair(name)
	if cert, _, err := load(pair); err == nil && cert.CheckSignatureFrom(a.cert) == nil {
		return pair, nil
	}
	if _, _, err := issue(pair, template, a.cert, a.key); err != nil {
		return Pair{}, fmt.Errorf("issue certificate %q: %w", name, err)
	}
	return pair, nil
}

// TokenKey makes sure of a key pair that signs service account tokens: Key is the private half,
// Cert the public half. It is RSA, since EKS signs its tokens with RS256.
func (a *Authority) TokenKey(name string) (Pair, error) {
	pair := Pair{Cert: filepath.Join(a.dir, name+".pub"), Key: filepath.Join(a.dir, name+".key")}
	if exists(pair.Cert) && exists(pair.Key) {
		return pair, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Pair{}, fmt.Errorf("generate key %q: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return Pair{}, fmt.Errorf("encode public key %q: %w", name, err)
	}
	if err := writeKey(pair.Key, key); err != nil {
		return Pair{}, err
	}
	return pair, writePEM(pair.Cert, "PUBLIC KEY", public, 0o644)
}

// issue signs template with the parent, or with its own key when there is no parent, and writes
// both files.
func issue(pair Pair, template, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("draw serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // a container's clock may be behind
	template.NotAfter = template.NotBefore.Add(lifetime)
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parse own certificate: %w", err)
	}
	if err := writeKey(pair.Key, key); err != nil {
		return nil, nil, err
	}
	// The certificate comes last: load asks for it first, so half a pair is made anew.
	return cert, key, writePEM(pair.Cert, "CERTIFICATE", der, 0o644)
}

func load(pair Pair) (*x509.Certificate, crypto.Signer, error) {
	der, err := readPEM(pair.Cert)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", pair.Cert, err)
	}
	if der, err = readPEM(pair.Key); err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", pair.Key, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("parse %s: the key cannot sign", pair.Key)
	}
	return cert, signer, nil
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read PEM file: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read PEM file: %s holds no PEM block", path)
	}
	return block.Bytes, nil
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode private key: %w", err)
	}
	return writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return fmt.Errorf("write PEM file: %w", err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
