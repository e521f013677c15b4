package command_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

// program makes a stand-in for kubectl that knows its version and otherwise runs script.
func program(t *testing.T, version, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubectl")
	text := `#!/bin/sh
if [ "$1" = version ] && [ "$2" = --client=true ]; then echo '{"clientVersion":{"gitVersion":"` + version + `"}}'; exit 0; fi
` + script
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, text string) command.Command {
	t.Helper()
	c, err := command.Parse(strings.Fields(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRun(t *testing.T) {
	cases := map[string]struct {
		reason   string
		script   string
		server   string
		patience time.Duration
		want     command.Result
	}{
		"Answer": {
			reason: "what kubectl writes and its exit code", script: `echo "$*"; echo problem >&2; exit 3`, server: "v1.36.1-eks-1",
			want: command.Result{ExitCode: 3, Stdout: "get --all-namespaces=true pods\n", Stderr: "problem\n", Version: command.Versions{Kubectl: "v1.36.3", Server: "v1.36.1-eks-1"}},
		},
		"Environment": {
			reason: "no credential, path or proxy of the function", script: `for v in AWS_SECRET_ACCESS_KEY HTTPS_PROXY KUBECONFIG_OTHER; do eval "echo $v=\${$v}"; done; echo "$PATH$KUBERC"`,
			want: command.Result{Stdout: "AWS_SECRET_ACCESS_KEY=\nHTTPS_PROXY=\nKUBECONFIG_OTHER=\noff\n", Version: command.Versions{Kubectl: "v1.36.3"}},
		},
		"Late": {
			reason: "ended in time, with what it had written", script: `echo begun; while :; do :; done`, patience: 300 * time.Millisecond,
			want: command.Result{
				ExitCode: 124, Stdout: "begun\n", Version: command.Versions{Kubectl: "v1.36.3"},
				Warnings: []string{"kubectl was ended after 0s; TimeoutSeconds gives it more time, up to the function's own"},
			},
		},
		"Skew": {
			reason: "two minor versions apart", script: "", server: "v1.34.9",
			want: command.Result{Version: command.Versions{Kubectl: "v1.36.3", Server: "v1.34.9"}, Warnings: []string{
				"kubectl v1.36.3 and the cluster's v1.34.9 are 2 minor versions apart, and Kubernetes supports 1: apply the environment's request again, which brings the layer of the cluster's version",
			}},
		},
		"Neighbour": {
			reason: "one is supported", script: "", server: "v1.37.0",
			want: command.Result{Version: command.Versions{Kubectl: "v1.36.3", Server: "v1.37.0"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			t.Setenv("AWS_SECRET_ACCESS_KEY", "planted")
			t.Setenv("HTTPS_PROXY", "http://planted.example")
			if tc.patience == 0 {
				tc.patience = 20 * time.Second
			}
			runner := command.NewRunner(program(t, "v1.36.3", tc.script), "1.36")
			got, err := runner.Run(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, tc.server, parse(t, "get pods -A"), tc.patience)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if left, _ := os.ReadDir(temporary); len(left) > 0 {
				t.Errorf("the run left %v", left)
			}
		})
	}
}

// TestOutputIsBounded prints more than an answer can hold.
func TestOutputIsBounded(t *testing.T) {
	script := `i=0; while [ $i -lt 12 ]; do printf '%0600000d\n' 7; i=$((i+1)); done; printf '%0100000d\n' 7 >&2; exit 5`
	runner := command.NewRunner(program(t, "v1.36.3", script), "")
	got, err := runner.Run(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, "", parse(t, "get pods"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got.ExitCode != 5 || !got.Truncated || len(got.Warnings) != 2 || len(got.Stderr) != 64<<10 {
		t.Errorf("got exit code %d, truncated %t, %q, %d bytes of errors", got.ExitCode, got.Truncated, got.Warnings, len(got.Stderr))
	}
	if !strings.Contains(got.Warnings[0], "of 7200012 bytes") || !strings.HasPrefix(got.Stdout, "0000") {
		t.Errorf("says %q", got.Warnings)
	}
	if answer, _ := json.Marshal(got); len(answer) > 6<<20 {
		t.Errorf("the answer has %d bytes", len(answer))
	}
}

// TestOutputInEscapes prints what becomes six times as long in an answer.
func TestOutputInEscapes(t *testing.T) {
	script := `x=éééééééééé; i=0; while [ $i -lt 17 ]; do x=$x$x; i=$((i+1)); done; printf '%s\nlast' "$x"`
	runner := command.NewRunner(program(t, "v1.36.3", script), "")
	got, err := runner.Run(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, "", parse(t, "get pods"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Truncated || strings.Trim(got.Stdout, "é") != "" || len([]rune(got.Stdout))*6 > 6<<20 {
		t.Errorf("truncated %t, %d characters", got.Truncated, len([]rune(got.Stdout)))
	}
}

// TestOtherKubectl refuses a kubectl that the function was not deployed with.
func TestOtherKubectl(t *testing.T) {
	cases := map[string]struct{ reason, path, says string }{
		"Other":     {"another minor version", program(t, "v1.35.9", ""), "v1.35.9, and the function was deployed with the layer of 1.36"},
		"Unstamped": {"not built as a layer is", program(t, "v0.0.0-master+$Format:%H$", ""), "v0.0.0-master"},
		"Missing":   {"a function without a layer", "/nowhere/kubectl", "/nowhere/kubectl"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := command.NewRunner(tc.path, "1.36").Run(t.Context(), &rest.Config{}, "", parse(t, "get pods"), time.Minute)
			if f := fault.As(err); err == nil || f.Code != "Failed" || !strings.Contains(f.Message, tc.says) || f.Next == "" {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

// TestLeftovers removes what a run left that was cut off, and nothing else.
func TestLeftovers(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	for name, age := range map[string]time.Duration{"kubectl-command-1": time.Hour, "kubectl-command-2": time.Second, "other": time.Hour} {
		dir := filepath.Join(temporary, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := command.NewRunner(program(t, "v1.36.3", ""), "").Run(t.Context(), &rest.Config{}, "", parse(t, "get pods"), time.Minute); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(temporary, "*"))
	if diff := cmp.Diff([]string{filepath.Join(temporary, "kubectl-command-2"), filepath.Join(temporary, "other")}, left); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDoor sends requests where kubectl sends its own, past the arguments: even a kubectl that was
// talked into something gets no further than its verb needs.
func TestDoor(t *testing.T) {
	cases := map[string]struct {
		reason, command, method, path string
		header                        http.Header
		passes                        bool
	}{
		"Read":        {"what all verbs do", "get pods", "GET", "/api/v1/pods?limit=500", nil, true},
		"Delete":      {"no verb deletes", "get pods", "DELETE", "/api/v1/namespaces/shop/pods/web", nil, false},
		"Create":      {"or creates", "get pods", "POST", "/api/v1/namespaces/shop/pods", nil, false},
		"Put":         {"or replaces", "rollout restart deploy/web", "PUT", "/apis/apps/v1/namespaces/shop/deployments/web", nil, false},
		"Restart":     {"one patches", "rollout restart deploy/web", "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", nil, true},
		"Patch":       {"the others do not", "rollout status deploy/web", "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", nil, false},
		"PatchOther":  {"and that one nothing else", "rollout restart deploy/web", "PATCH", "/api/v1/namespaces/shop/secrets/x", nil, false},
		"PatchScale":  {"nor a part of it", "rollout restart deploy/web", "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", nil, false},
		"Review":      {"a question about rights", "auth can-i get pods", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", nil, true},
		"WhoAmI":      {"another", "auth whoami", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", nil, true},
		"Token":       {"a token is a credential", "get sa", "POST", "/api/v1/namespaces/shop/serviceaccounts/web/token", nil, false},
		"Exec":        {"a stream can begin with GET", "get pods", "GET", "/api/v1/namespaces/shop/pods/web/exec?command=sh", nil, false},
		"NodeProxy":   {"the kubelet behind the node", "get nodes", "GET", "/api/v1/nodes/n1/proxy/configz", nil, false},
		"NodeLogs":    {"or below it", "get nodes", "GET", "/api/v1/nodes/n1/proxy", nil, false},
		"Attach":      {"another stream", "get pods", "GET", "/api/v1/namespaces/shop/pods/web/attach", nil, false},
		"Forward":     {"another stream", "get pods", "GET", "/api/v1/namespaces/shop/pods/web/portforward", nil, false},
		"Service":     {"a service behind the API server", "get svc", "GET", "/api/v1/namespaces/shop/services/http:web:80/proxy/admin", nil, false},
		"Aggregated":  {"virtual machines have consoles", "get vm", "GET", "/apis/subresources.example.com/v1/namespaces/shop/machines/m/portforward/22", nil, false},
		"OldProxy":    {"the same as it was written once", "get nodes", "GET", "/api/v1/proxy/nodes/n1/configz", nil, false},
		"Watched":     {"the same behind a prefix", "get nodes", "GET", "/api/v1/watch/nodes/n1/proxy", nil, false},
		"Slashes":     {"slashes do not move the place", "get nodes", "GET", "/api/v1//nodes//n1//proxy", nil, false},
		"Escaped":     {"nor does an escape", "get nodes", "GET", "/api/v1/nodes/n1%2Fproxy", nil, false},
		"Dots":        {"nor a way back", "get nodes", "GET", "/api/v1/nodes/n1/x/%2e%2e/proxy", nil, false},
		"InProxy":     {"an object in a namespace proxy", "get pods -n proxy", "GET", "/api/v1/namespaces/proxy/pods/exec", nil, true},
		"NamedProxy":  {"an object called proxy", "get deploy proxy", "GET", "/apis/apps/v1/namespaces/shop/deployments/proxy", nil, true},
		"LogsOfExec":  {"a pod called exec", "logs exec", "GET", "/api/v1/namespaces/attach/pods/exec/log", nil, true},
		"Namespace":   {"the namespace itself", "get ns proxy", "GET", "/api/v1/namespaces/proxy", nil, true},
		"NodeProxied": {"a node called proxy", "get node proxy", "GET", "/api/v1/nodes/proxy", nil, true},
		"Upgrade":     {"another protocol", "logs web", "GET", "/api/v1/namespaces/shop/pods/web/log", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}, false},
		"Impersonate": {"who asks is not kubectl's to say", "get pods", "GET", "/api/v1/pods", http.Header{"Impersonate-User": {"admin"}, "Authorization": {"Bearer other"}}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var arrived []*http.Request
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { arrived = append(arrived, r) }))
			t.Cleanup(server.Close)
			// The stand-in tells the test where its door is and waits for the end.
			where := filepath.Join(t.TempDir(), "where")
			runner := command.NewRunner(program(t, "v1.36.3", `/bin/cp "$KUBECONFIG" `+where+`.new; /bin/mv `+where+`.new `+where+`; while [ -e `+where+` ]; do :; done`), "")
			ended := make(chan error, 1)
			go func() {
				_, err := runner.Run(t.Context(), &rest.Config{Host: server.URL, Transport: signed{}}, "", parse(t, tc.command), time.Minute)
				ended <- err
			}()
			door := address(t, where)
			request, err := http.NewRequestWithContext(t.Context(), tc.method, door+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for key, values := range tc.header {
				request.Header[key] = values
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			withoutSecret, err := http.Get(door[:strings.LastIndex(door, "/")] + tc.path) //nolint:noctx // local
			if err != nil {
				t.Fatal(err)
			}
			_ = withoutSecret.Body.Close()
			if withoutSecret.StatusCode != http.StatusNotFound {
				t.Errorf("the door opens without its path: %d", withoutSecret.StatusCode)
			}
			if err := os.Remove(where); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if passed := len(arrived) == 1; passed != tc.passes || !passed && response.StatusCode != http.StatusForbidden {
				t.Fatalf("%s: %d requests arrived, answered %d", tc.reason, len(arrived), response.StatusCode)
			}
			if tc.passes && (arrived[0].Header.Get("Authorization") != "Bearer real" || arrived[0].Header.Get("Impersonate-User") != "") {
				t.Errorf("%s: arrived as %v", tc.reason, arrived[0].Header)
			}
			if _, err := http.Get(door + "/version"); err == nil { //nolint:noctx,bodyclose // refused
				t.Error("the door is open after the run")
			}
		})
	}
}

// signed is the transport that adds the credential.
type signed struct{}

func (signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Header.Set("Authorization", "Bearer real")
	return http.DefaultTransport.RoundTrip(r)
}

// address reads the door's address out of the kubeconfig that the stand-in was given.
func address(t *testing.T, file string) string {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for range 2000 {
		if text, err := os.ReadFile(file); err == nil { //nolint:gosec // the test's own
			if strings.Contains(string(text), "oken") || strings.Contains(string(text), "real") {
				t.Errorf("the kubeconfig has a credential: %s", text)
			}
			var config struct {
				Clusters []struct{ Cluster struct{ Server string } }
			}
			if err := json.Unmarshal(text, &config); err != nil {
				t.Fatal(err)
			}
			return config.Clusters[0].Cluster.Server
		}
		<-ticker.C
	}
	t.Fatal("kubectl was not started")
	return ""
}
