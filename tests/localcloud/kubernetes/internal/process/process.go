// Package process starts the components of a cluster as child processes and ends them together.
//
// It owns the rule that no child outlives the group: not when one of them ends, not when the group is
// stopped, and not when the process that owns the group is killed.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Group is a set of child processes that live and end together. Make one with [NewGroup].
type Group struct {
	executable string
	dir        string
	children   []*child
	ended      chan *Exit
}

// Exit tells that a child ended without having been asked to.
type Exit struct {
	// Name is the child's name.
	Name string
	// Log is the file with its output.
	Log string
	// Err is how it ended, nil for exit code 0.
	Err error
}

// Error implements error. It names the log file, since only the log says why.
func (e *Exit) Error() string {
	how := "exit status 0"
	if e.Err != nil {
		how = e.Err.Error()
	}
	return fmt.Sprintf("%s ended by itself (%s); its log is %s", e.Name, how, e.Log)
}

// Unwrap returns how the child ended.
func (e *Exit) Unwrap() error { return e.Err }

type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has been waited for
}

// NewGroup returns an empty group. Every child runs executable and writes DIR/<name>.log.
//
// It pins the calling goroutine to its thread and must be called, like [Group.Start], from a
// goroutine that lives as long as the group: the kernel signals a child's death signal when the
// thread that started the child ends, and Go ends threads at will (golang.org/issue/27505).
func NewGroup(executable, dir string) *Group {
	runtime.LockOSThread()
	return &Group{executable: executable, dir: dir, ended: make(chan *Exit, 16)}
}

// Start starts a child under the given name, which is its argv[0].
func (g *Group) Start(name string, args ...string) error {
	path := g.log(name)
	log, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create log of %s: %w", name, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor

	cmd := &exec.Cmd{
		Path:   g.executable,
		Args:   append([]string{name}, args...),
		Env:    g.environment(),
		Dir:    g.dir,
		Stdout: log,
		Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Setpgid:   true,            // Ctrl-C goes to the owner alone, which then ends the children in order
			Pdeathsig: syscall.SIGKILL, // an owner that is killed leaves nothing behind
		},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, done: make(chan struct{})}
	g.children = append(g.children, c)
	go func() {
		err := cmd.Wait()
		close(c.done)
		g.ended <- &Exit{Name: name, Log: path, Err: err}
	}()
	return nil
}

// Ended delivers the first children that end. After [Group.Stop] it means nothing.
func (g *Group) Ended() <-chan *Exit { return g.ended }

// Stop ends all children and returns when they are gone. The last one started is asked first, and a
// child that is still there after grace is killed: an API server drains its watches for longer than
// anyone who stops a local cluster wants to wait. The first child, the store of all others, is asked
// only when the others are gone.
func (g *Group) Stop(grace time.Duration) {
	if len(g.children) == 0 {
		return
	}
	stop(g.children[1:], grace)
	stop(g.children[:1], grace)
	g.children = nil
}

func stop(children []*child, grace time.Duration) {
	for i := len(children) - 1; i >= 0; i-- {
		_ = children[i].cmd.Process.Signal(syscall.SIGTERM) // an error means it is gone already
	}
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for _, c := range children {
		select {
		case <-c.done:
		case <-deadline.C:
			kill(children)
		}
	}
	for _, c := range children {
		<-c.done
	}
}

func kill(children []*child) {
	for _, c := range children {
		_ = c.cmd.Process.Kill()
	}
}

// environment is what a child may see. The owner's own environment stays out, so that proxy settings,
// KUBECONFIG or KWOK_* of whoever starts the cluster change nothing; HOME is the cluster's folder, so
// that no file of the user's home is read or written.
func (g *Group) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "TMPDIR=" + os.TempDir()}
}

func (g *Group) log(name string) string { return filepath.Join(g.dir, name+".log") }
