package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// DefaultPath is where the layer's kubectl lies.
	DefaultPath = "/opt/kubectl/kubectl"
	// folder begins the names of the runs' folders.
	folder = "kubectl-command-"
	// stale is the age of a folder whose run was cut off: no run lasts longer than Lambda lets it.
	stale = 15 * time.Minute
	// grace is what kubectl is given to end by its own timeout before it is ended.
	grace = 2 * time.Second
)

// TimedOut is the exit code of a command that was ended because its time was over, as timeout(1) has it.
const TimedOut = 124

// Result is what a command came to. A command that kubectl itself refuses has an exit code, too.
type Result struct {
	ExitCode int
	Stdout   string
	Stderr   string
	// Truncated says that Stdout or Stderr is not all that kubectl wrote; Warnings say how much there was.
	Truncated bool
	Version   Versions
	Warnings  []string `json:",omitempty"`
}

// Runner runs commands with one kubectl.
type Runner struct {
	path  string
	minor string

	mu      sync.Mutex
	version string
}

// NewRunner returns a runner of the kubectl at path, which has to be of the given minor version, such
// as 1.36, if that is not empty.
func NewRunner(path, minor string) *Runner {
	if path == "" {
		path = DefaultPath
	}
	return &Runner{path: path, minor: minor}
}

// Run runs a command against the API server of config, whose version is server, with the transport that
// config has, for at most patience. It fails when the command could not be run; what kubectl itself says
// is in the result.
func (r *Runner) Run(ctx context.Context, config *rest.Config, server string, c Command, patience time.Duration) (Result, error) {
	sweep()
	dir, err := os.MkdirTemp("", folder)
	if err != nil {
		return Result{}, fault.Wrap(fault.Internal, err, "make a folder for kubectl")
	}
	defer os.RemoveAll(dir) //nolint:errcheck // swept by a later run
	kubectl, err := r.identify(ctx, dir)
	if err != nil {
		return Result{}, err
	}
	door, err := open(config, c)
	if err != nil {
		return Result{}, fault.Wrap(fault.Internal, err, "listen for kubectl")
	}
	defer door.close()
	if err := os.WriteFile(filepath.Join(dir, "config"), kubeconfig(door.address), 0o600); err != nil {
		return Result{}, fault.Wrap(fault.Internal, err, "write kubectl's configuration")
	}
	result, err := r.execute(ctx, dir, c, patience)
	if err != nil {
		return Result{}, err
	}
	result.Version = Versions{Kubectl: kubectl, Server: server}
	result.Warnings = append(result.Warnings, result.Version.warnings()...)
	return result, nil
}

// execute runs kubectl and waits for its end.
func (r *Runner) execute(ctx context.Context, dir string, c Command, patience time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	own := max(patience-grace, patience/2)
	process := r.process(ctx, dir, c.Arguments(own.Round(time.Millisecond))...)
	stdout, stderr := &output{limit: maxStdout}, &output{limit: maxStderr}
	process.Stdout, process.Stderr = stdout, stderr
	err := process.Run()
	result := Result{ExitCode: process.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		result.ExitCode = TimedOut
		result.Warnings = append(result.Warnings, fmt.Sprintf("kubectl was ended after %s; TimeoutSeconds gives it more time, up to the function's own", patience.Round(time.Second)))
	case err != nil && !errors.As(err, &exit):
		return Result{}, fault.Wrap(fault.Internal, err, "run the layer's kubectl")
	}
	result.put(stdout, stderr)
	return result, nil
}

// put takes over the output, as much of it as an answer holds.
func (r *Result) put(stdout, stderr *output) {
	var all, allErrors bool
	r.Stderr, allErrors = stderr.text(maxStderr * 6)
	r.Stdout, all = stdout.text(maxEncoded)
	r.Truncated = !all || !allErrors
	if !all {
		r.Warnings = append(r.Warnings, fmt.Sprintf("Stdout has the first %d of %d bytes; ask for less by a name, a namespace, a selector or -o jsonpath=…", len(r.Stdout), stdout.total))
	}
	if !allErrors {
		r.Warnings = append(r.Warnings, fmt.Sprintf("Stderr has the first %d of %d bytes", len(r.Stderr), stderr.total))
	}
}

// process is kubectl with no other environment than its own folder: no credential of the function, no
// path on which it could find a plugin, no proxy.
func (r *Runner) process(ctx context.Context, dir string, arguments ...string) *exec.Cmd {
	process := exec.CommandContext(ctx, r.path, arguments...)
	process.Dir = dir
	process.Env = []string{
		"HOME=" + dir, "TMPDIR=" + dir, "KUBECONFIG=" + filepath.Join(dir, "config"), "KUBECACHEDIR=" + filepath.Join(dir, "cache"),
		"KUBERC=off", "PATH=", "LANG=C.UTF-8",
	}
	process.WaitDelay = time.Second
	return process
}

// identify returns kubectl's version, which is asked for once, and refuses a kubectl that is not the
// one the function was deployed with.
func (r *Runner) identify(ctx context.Context, dir string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version != "" {
		return r.version, nil
	}
	out, err := r.process(ctx, dir, "version", "--client=true", "--output=json").Output()
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "run the kubectl of the function's layer at %s", r.path).
			WithNext("Give the function a layer with kubectl at /opt/kubectl/kubectl; apply the environment's request again, which deploys one.")
	}
	version, err := clientVersion(out)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "read the version of the kubectl at %s", r.path)
	}
	if r.minor != "" && !strings.HasPrefix(version, "v"+r.minor+".") {
		return "", fault.New(fault.Failed, "the kubectl at %s is %s, and the function was deployed with the layer of %s", r.path, version, r.minor).
			WithNext("Apply the environment's request again, which deploys function and layer together.")
	}
	r.version = version
	return version, nil
}

// kubeconfig leads kubectl to a door. There is nothing secret in it but the door's path, which is gone with the run.
func kubeconfig(address string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"door",
"clusters":[{"name":"door","cluster":{"server":%q}}],
"contexts":[{"name":"door","context":{"cluster":"door","user":"door"}}],
"users":[{"name":"door","user":{}}]}`, address)
}

// sweep removes the folders of runs that were cut off.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), folder+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > stale {
			_ = os.RemoveAll(dir)
		}
	}
}
