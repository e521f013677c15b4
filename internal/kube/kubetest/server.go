// Package kubetest gives tests an API server: a real one, or a small fake.
package kubetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Binary names the environment variable with the path of the local control plane's binary.
const Binary = "KUBERNETES_BINARY"

// Kubectl names the environment variable with the path of the deployed layer's kubectl.
const Kubectl = "KUBECTL_BINARY"

// administrator is the user of Server.Config.
const administrator = "local-admin"

// Server is a real control plane that lives as long as a test.
type Server struct {
	// Config is an administrator's.
	Config *rest.Config
	// Kubeconfig is a file for kubectl.
	Kubeconfig string
	binary     string
	audit      string
}

// Start starts a control plane, or skips the test when there is no binary of one.
func Start(t *testing.T) *Server {
	t.Helper()
	binary := os.Getenv(Binary)
	if binary == "" {
		t.Skipf("%s is unset: no control plane to test against", Binary)
	}
	dir := t.TempDir()
	server := &Server{
		Kubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		binary:     binary,
		audit:      filepath.Join(dir, "audit.log"),
	}
	command := exec.Command(binary, "server", "--dir", dir, "--endpoint-port", "0", "--audit-log", server.audit)
	if err := command.Start(); err != nil {
		t.Fatalf("start the control plane: %s", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
			return
		}
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = command.Process.Kill()
		}
	})
	server.awaitReady(t, filepath.Join(dir, "ready"), exited)
	config, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig)
	if err != nil {
		t.Fatalf("read the kubeconfig: %s", err)
	}
	server.Config = config
	return server
}

// awaitReady waits for the file that the control plane writes when it is ready.
func (s *Server) awaitReady(t *testing.T, file string, exited <-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case err := <-exited:
			t.Fatalf("the control plane ended: %v", err)
		case <-ctx.Done():
			t.Fatal("the control plane is not ready in time")
		case <-ticker.C:
		}
	}
}

// Kubectl runs kubectl with input and returns what it prints; it ends the test when that fails.
func (s *Server) Kubectl(t *testing.T, input string, arguments ...string) string {
	t.Helper()
	out, err := s.TryKubectl(t, input, arguments...)
	if err != nil {
		t.Fatalf("kubectl %s: %s\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

// TryKubectl runs kubectl with input and returns what it prints. It is the layer's kubectl where
// [Kubectl] names it, or else the control plane's own of the same version.
func (s *Server) TryKubectl(t *testing.T, input string, arguments ...string) (string, error) {
	t.Helper()
	program := []string{s.binary, "kubectl"}
	if layer := os.Getenv(Kubectl); layer != "" {
		program = []string{layer}
	}
	arguments = append(append(program[1:], "--kubeconfig", s.Kubeconfig), arguments...)
	command := exec.CommandContext(t.Context(), program[0], arguments...)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	return string(out), err
}

// Mutations returns the mutating requests by the administrator that the API server has logged for
// objects of a name, as "verb resource".
func (s *Server) Mutations(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	s.writes(t, func(verb, resource, object string) {
		if object == name {
			found = append(found, verb+" "+resource)
		}
	})
	return found
}

// Writes returns all mutating requests by the administrator that the API server has logged, as "verb
// resource name".
func (s *Server) Writes(t *testing.T) []string {
	t.Helper()
	var found []string
	s.writes(t, func(verb, resource, object string) { found = append(found, verb+" "+resource+" "+object) })
	return found
}

// DryRuns returns how many of the administrator's requests the API server was to decide and not to
// carry out; they are no mutations.
func (s *Server) DryRuns(t *testing.T) int {
	t.Helper()
	count := 0
	s.audited(t, func(_, _, _ string, dry bool) {
		if dry {
			count++
		}
	})
	return count
}

// writes calls visit for each of the administrator's mutating requests in the audit log.
func (s *Server) writes(t *testing.T, visit func(verb, resource, name string)) {
	t.Helper()
	s.audited(t, func(verb, resource, name string, dry bool) {
		if !dry {
			visit(verb, resource, name)
		}
	})
}

// audited calls visit for each of the administrator's requests in the audit log that are not for reading.
func (s *Server) audited(t *testing.T, visit func(verb, resource, name string, dry bool)) {
	t.Helper()
	file, err := os.Open(s.audit)
	if err != nil {
		t.Fatalf("open the audit log: %s", err)
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var event struct {
			Verb, RequestURI string
			User             struct{ Username string }
			ObjectRef        struct{ Resource, Name string }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.User.Username != administrator {
			continue
		}
		switch event.Verb {
		case "create", "update", "patch", "delete":
			visit(event.Verb, event.ObjectRef.Resource, event.ObjectRef.Name, strings.Contains(event.RequestURI, "dryRun=All"))
		}
	}
}
