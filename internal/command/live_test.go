package command_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/command"
	"github.com/harmonix-eks/environment-provider/internal/kube/kubetest"
)

// built names the environment variable with the folder of what `sam build` has built.
const built = "SAM_BUILD"

// layers returns the kubectl of each layer by its minor version.
func layers(t *testing.T) map[string]string {
	t.Helper()
	dir := os.Getenv(built)
	if dir == "" {
		t.Skipf("%s is unset: no layers to test with", built)
	}
	found := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(dir, "KubectlLayer1??", "kubectl", "kubectl"))
	for _, path := range paths {
		digits := strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(path))), "KubectlLayer1")
		found["1."+digits] = path
	}
	if len(found) == 0 {
		t.Fatalf("%s holds no layer", dir)
	}
	return found
}

// TestLiveFlagsAreKubectls asks every layer's kubectl for the flags that are let through.
func TestLiveFlagsAreKubectls(t *testing.T) {
	for minor, path := range layers(t) {
		common, err := exec.CommandContext(t.Context(), path, "options").Output() //nolint:gosec // a layer's
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range command.Verbs() {
			words := strings.Fields(verb)
			help, err := exec.CommandContext(t.Context(), path, append(words, "--help")...).Output() //nolint:gosec // as above
			if err != nil {
				t.Fatal(err)
			}
			for _, flag := range command.Flags(words...) {
				if flag != "help" && !regexp.MustCompile(`--`+flag+`=`).Match(append(help, common...)) {
					t.Errorf("kubectl %s of %s has no flag --%s", verb, minor, flag)
				}
			}
		}
	}
}

// TestLiveVersionsAreStamped asks each layer's kubectl for its version: a build without stamps says v0.0.0.
func TestLiveVersionsAreStamped(t *testing.T) {
	for minor, path := range layers(t) {
		result, err := command.NewRunner(path, minor).Run(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, "", parse(t, "version --client -o json"), time.Minute)
		if err != nil {
			t.Errorf("layer %s: %v", minor, err)
			continue
		}
		var said struct {
			ClientVersion struct{ Major, Minor, GitVersion string }
		}
		if err := json.Unmarshal([]byte(result.Stdout), &said); err != nil {
			t.Fatal(err)
		}
		if got := said.ClientVersion.Major + "." + said.ClientVersion.Minor; got != minor || said.ClientVersion.GitVersion != result.Version.Kubectl {
			t.Errorf("layer %s says %s and %s", minor, got, said.ClientVersion.GitVersion)
		}
	}
}

// TestLiveCommands runs each layer's kubectl against a real API server.
func TestLiveCommands(t *testing.T) {
	built := layers(t)
	server := kubetest.Start(t)
	transport, err := rest.TransportFor(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	config := &rest.Config{Host: server.Config.Host, Transport: transport}
	server.Kubectl(t, "", "create", "configmap", "settings", "--from-literal=greeting=café")
	server.Kubectl(t, "", "create", "deployment", "web", "--image=example.com/web", "--replicas=0")
	server.Kubectl(t, "", "rollout", "status", "deployment/web", "--timeout=30s")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	cases := map[string]struct {
		reason, command string
		exit            int
		stdout, stderr  string
	}{
		"Get":          {"a value as it is", "get cm settings -o jsonpath={.data.greeting}", 0, `^café$`, `^$`},
		"GetAll":       {"of all namespaces", "get deploy -A", 0, `(?m)^default +web +0/0`, ``},
		"GetNothing":   {"nothing found is kubectl's to say", "get cm nothing", 1, `^$`, `configmaps "nothing" not found`},
		"Describe":     {"with its events", "describe deploy web", 0, `(?m)^Name: +web`, ``},
		"Events":       {"of a namespace", "events -n default", 0, ``, ``},
		"Logs":         {"of a pod that is not there", "logs web-1", 1, `^$`, `not found`},
		"TopWithout":   {"the metrics are not installed", "top nodes", 1, `^$`, `Metrics API not available`},
		"APIResources": {"what the API server has", "api-resources --api-group apps -o name", 0, `(?m)^deployments.apps$`, ``},
		"APIVersions":  {"in which versions", "api-versions", 0, `(?m)^apps/v1$`, ``},
		"Explain":      {"out of the API server's own documents", "explain deployment.spec.replicas", 0, `(?s)FIELD: replicas`, ``},
		"CanI":         {"a question about rights", "auth can-i delete pods", 0, `^yes\n$`, ``},
		"WhoAmI":       {"another", "auth whoami -o jsonpath={.status.userInfo.username}", 0, `^local-admin$`, ``},
		"History":      {"of a rollout", "rollout history deploy/web", 0, `(?s)REVISION.*1`, ``},
		"Restart":      {"the one thing that changes something", "rollout restart deploy/web", 0, `deployment.apps/web restarted`, ``},
		"Status":       {"waits until it is done", "rollout status deploy/web", 0, `successfully rolled out`, ``},
		"Wait":         {"for a field", "wait deploy/web --for=jsonpath={.spec.replicas}=0", 0, `condition met`, ``},
		"WaitInVain":   {"says what it waited for", "wait cm/settings --for=delete --timeout=1s", 1, ``, `timed out`},
	}
	for minor, path := range built {
		runner := command.NewRunner(path, minor)
		for name, tc := range cases {
			if minor != "1.36" && name != "Get" && name != "WhoAmI" {
				continue
			}
			t.Run(minor+name, func(t *testing.T) {
				got, err := runner.Run(t.Context(), config, "v1.36.3", parse(t, tc.command), 30*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if got.ExitCode != tc.exit || !regexp.MustCompile(tc.stdout).MatchString(got.Stdout) || !regexp.MustCompile(tc.stderr).MatchString(got.Stderr) {
					t.Errorf("%s: %d\n%s\n%s", tc.reason, got.ExitCode, got.Stdout, got.Stderr)
				}
			})
		}
	}
	left, _ := os.ReadDir(temporary)
	if diff := cmp.Diff(0, len(left)); diff != "" {
		t.Errorf("the runs left %v", left)
	}
	if diff := cmp.Diff([]string{"create deployments", "patch deployments"}, server.Mutations(t, "web")); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
}
