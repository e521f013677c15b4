// Package smoke_test runs the built binary. It is a package of its own so that testing it does not
// link the whole control plane once more.
package smoke_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"localcloud/kubernetes/internal/cluster"
)

// limit is for every single wait; it is never reached on a machine that works.
const limit = 50 * time.Second

const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"

// server is a cluster under test.
type server struct {
	binary string
	dir    string
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr strings.Builder
	ready  cluster.Ready
}

// launch starts a server and returns at once.
func launch(t *testing.T, dir string, flags ...string) *server {
	t.Helper()
	binary := os.Getenv("KUBERNETES_BINARY")
	if binary == "" {
		t.Skip("KUBERNETES_BINARY is not set: it names the binary that `make build` makes")
	}
	s := &server{binary: binary, dir: dir}
	s.cmd = exec.Command(binary, append([]string{"server", "--dir", dir}, flags...)...)
	s.cmd.Stderr = &s.stderr
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(pipe)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// await waits for the line that the server prints when the cluster is ready.
func (s *server) await(t *testing.T) {
	t.Helper()
	timer := time.AfterFunc(limit, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		_ = s.cmd.Wait()
		t.Fatalf("server did not become ready: %v\n%s", err, s.stderr.String())
	}
	t.Log(strings.TrimSpace(line))
	data, err := os.ReadFile(filepath.Join(s.dir, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &s.ready); err != nil {
		t.Fatal(err)
	}
}

// wait returns the server's exit code.
func (s *server) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(limit, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, s.stdout)
	err := s.cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// stop ends the server as its owner would.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(t); code != 0 {
		t.Errorf("exit code after SIGTERM: got %d, want 0\n%s", code, s.stderr.String())
	}
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("left after SIGTERM: %v", left)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "ready")); err == nil {
		t.Error("the ready file outlived the cluster")
	}
}

// kubectl runs a command as the administrator.
func (s *server) kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(s.binary, append([]string{"kubectl", "--kubeconfig", s.ready.Kubeconfig}, arguments...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// token runs a command as the bearer of a token, trusting DIR/ca.crt alone.
func (s *server) token(t *testing.T, token string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(s.binary, append([]string{
		"kubectl", "--kubeconfig", os.DevNull, "--server", s.ready.Endpoint,
		"--certificate-authority", filepath.Join(s.dir, "ca.crt"), "--token", token,
	}, arguments...)...)
	cmd.Stdin = strings.NewReader("") // kubectl asks for a user name after a refusal
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// webhook serves token reviews as EKS would and returns the kubeconfig that leads there.
func webhook(t *testing.T) string {
	t.Helper()
	handler := func(w http.ResponseWriter, r *http.Request) {
		var review map[string]any
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		spec, _ := review["spec"].(map[string]any)
		review["status"] = map[string]any{
			"authenticated": spec["token"] == "good",
			"audiences":     spec["audiences"],
			"user":          map[string]any{"username": "arn:aws:sts::222222222222:assumed-role/web/session"},
		}
		_ = json.NewEncoder(w).Encode(review)
	}
	web := httptest.NewServer(http.HandlerFunc(handler))
	t.Cleanup(web.Close)
	path := filepath.Join(t.TempDir(), "webhook.kubeconfig")
	config := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "w",
		"clusters": [{"name": "w", "cluster": {"server": %q}}], "users": [{"name": "w", "user": {}}],
		"contexts": [{"name": "w", "context": {"cluster": "w", "user": "w"}}]}`, web.URL)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// processes returns the components that work in the server's folder, by process id.
func (s *server) processes(t *testing.T) map[int]string {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(entry)
		if err != nil || !strings.Contains(string(data), s.dir) {
			continue
		}
		name, _, _ := strings.Cut(string(data), "\x00")
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = filepath.Base(name)
	}
	return found
}

// pid returns the process id of one component.
func (s *server) pid(t *testing.T, name string) int {
	t.Helper()
	for pid, found := range s.processes(t) {
		if found == name {
			return pid
		}
	}
	t.Fatalf("%s does not run", name)
	return 0
}

// TestSideBySide is the life of a cluster, next to another one.
func TestSideBySide(t *testing.T) {
	first := launch(t, t.TempDir(), "--nodes", "2", "--service-account-issuer", issuer, "--webhook-config", webhook(t))
	second := launch(t, t.TempDir())
	first.await(t)
	second.await(t)

	for name, s := range map[string]*server{"first": first, "second": second} {
		version := s.kubectl(t, "version")
		for _, want := range []string{"Client Version: v1.36.3", "Server Version: v1.36.3"} {
			if !strings.Contains(version, want) {
				t.Errorf("%s cluster: %q is not in\n%s", name, want, version)
			}
		}
	}
	for name, port := range first.ready.Ports {
		for other, taken := range second.ready.Ports {
			if port == taken {
				t.Errorf("%s of the first and %s of the second cluster have the same port %d", name, other, port)
			}
		}
	}
	nodes := strings.Fields(first.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
	if diff := cmp.Diff([]string{"ip-10-0-0-1.ec2.internal", "ip-10-0-0-2.ec2.internal"}, nodes); diff != "" {
		t.Errorf("nodes: -want, +got:\n%s", diff)
	}
	if token := first.kubectl(t, "get", "--raw", "/.well-known/openid-configuration"); !strings.Contains(token, issuer) {
		t.Errorf("the issuer is not the one asked for: %s", token)
	}

	whoami := first.token(t, "good", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if diff := cmp.Diff("arn:aws:sts::222222222222:assumed-role/web/session", whoami); diff != "" {
		t.Errorf("user of the webhook: -want, +got:\n%s", diff)
	}
	if got := first.token(t, "bad", "auth", "whoami"); !strings.Contains(got, "Unauthorized") && !strings.Contains(got, "logged in") {
		t.Errorf("a token that the webhook refuses: %s", got)
	}

	first.kubectl(t, "create", "deployment", "web", "--image=web", "--replicas=3")
	first.kubectl(t, "rollout", "status", "deployment/web", "--timeout=20s")
	first.kubectl(t, "create", "job", "once", "--image=once")
	first.kubectl(t, "wait", "--for=condition=complete", "job/once", "--timeout=20s")
	if got := first.kubectl(t, "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"); got != "3" {
		t.Errorf("ready replicas: got %s, want 3", got)
	}
	if got := second.kubectl(t, "get", "deployments", "-o", "name"); !strings.HasPrefix(got, "No resources") && got != "" {
		t.Errorf("the second cluster has what was made in the first: %s", got)
	}

	// Started again, it is the same cluster behind the same certificates.
	first.stop(t)
	again := launch(t, first.dir, "--nodes", "2", "--endpoint-port", strconv.Itoa(first.ready.Ports["kube-apiserver"]))
	again.await(t)
	if got := again.kubectl(t, "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"); got != "3" {
		t.Errorf("ready replicas after a restart: got %s, want 3", got)
	}
	again.stop(t)
	second.stop(t)
	audited(t, first.ready.AuditLog)
}

// audited checks that the log tells who created the deployment, and tells nothing of readers.
func audited(t *testing.T, path string) {
	t.Helper()
	type event struct {
		Verb  string
		Stage string
		Level string
		User  struct{ Username string }
		Ref   struct{ Resource, Name string } `json:"objectRef"`
		Body  json.RawMessage                 `json:"requestObject"`
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	created := 0
	for decoder := json.NewDecoder(file); ; {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch e.Verb {
		case "create", "update", "patch", "delete", "deletecollection":
		default:
			t.Errorf("verb %s is in the audit log", e.Verb)
		}
		if e.Stage == "RequestReceived" || e.Level != "Metadata" || e.Body != nil {
			t.Errorf("more in the audit log than wanted: %+v", e)
		}
		if e.Verb == "create" && e.Ref.Resource == "deployments" && e.User.Username == "local-admin" {
			created++
		}
	}
	if created != 1 {
		t.Errorf("creations of a deployment by local-admin in the audit log: got %d, want 1", created)
	}
}

// TestEnds checks that a cluster ends as a whole, whatever part of it goes first.
func TestEnds(t *testing.T) {
	cases := map[string]struct {
		reason string
		// victim is the process that is killed.
		victim string
		code   int
		stderr string
	}{
		"Component": {
			reason: "A cluster without a component is useless: the server ends and names the log.",
			victim: "kube-scheduler", code: 1, stderr: "kube-scheduler.log",
		},
		"Server": {
			reason: "A server that is killed cannot end its children; the kernel does.",
			victim: "kubernetes", code: -1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := launch(t, t.TempDir(), "--nodes", "0")
			s.await(t)
			if err := syscall.Kill(s.pid(t, tc.victim), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if got := s.wait(t); got != tc.code {
				t.Errorf("\n%s\nexit code: got %d, want %d", tc.reason, got, tc.code)
			}
			if !strings.Contains(s.stderr.String(), tc.stderr) {
				t.Errorf("\n%s\n%q does not name %q", tc.reason, s.stderr.String(), tc.stderr)
			}
			s.gone(t)
		})
	}
}

// gone waits until no component is left: the kernel's signal needs a moment.
func (s *server) gone(t *testing.T) {
	t.Helper()
	deadline := time.After(limit)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := s.processes(t)
		if len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("still there: %v", left)
		case <-ticker.C:
		}
	}
}

// TestRefuses checks that a start that cannot work fails at once and says why.
func TestRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		flags  []string
		code   int
		stderr string
	}{
		"TakenPort": {reason: "Another program's port is not ours.", flags: []string{"--endpoint-port", port}, code: 1, stderr: "hold port " + port},
		"Webhook":   {reason: "What a component refuses is in its log.", flags: []string{"--webhook-config", "/missing"}, code: 1, stderr: "kube-apiserver.log"},
		"Nodes":     {reason: "A flag is checked before anything starts.", flags: []string{"--nodes", "-1"}, code: 2, stderr: "--nodes -1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := launch(t, t.TempDir(), tc.flags...)
			if got := s.wait(t); got != tc.code {
				t.Errorf("\n%s\nexit code: got %d, want %d", tc.reason, got, tc.code)
			}
			if !strings.Contains(s.stderr.String(), tc.stderr) {
				t.Errorf("\n%s\n%q does not name %q", tc.reason, s.stderr.String(), tc.stderr)
			}
			s.gone(t)
		})
	}
}
