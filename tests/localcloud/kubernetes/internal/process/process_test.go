package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"localcloud/kubernetes/internal/process"
)

// shell stands for a component: argv[0] is free, so the group's own naming is not in its way.
const shell = "/bin/sh"

func TestExit(t *testing.T) {
	cases := map[string]struct {
		reason string
		script string
		want   string
	}{
		"Failure": {reason: "The exit code is part of the message.", script: "exit 3", want: "exit status 3"},
		"Success": {reason: "A component never ends by itself, not even with success.", script: "exit 0", want: "exit status 0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			group := process.NewGroup(shell, dir)
			defer group.Stop(time.Second)
			if err := group.Start("component", "-c", "echo reason; "+tc.script); err != nil {
				t.Fatal(err)
			}
			exit := <-group.Ended()
			for _, want := range []string{"component", tc.want, filepath.Join(dir, "component.log")} {
				if !strings.Contains(exit.Error(), want) {
					t.Errorf("\n%s\n%q does not name %q", tc.reason, exit, want)
				}
			}
			log, err := os.ReadFile(exit.Log)
			if err != nil || string(log) != "reason\n" {
				t.Errorf("log: got %q (%v)", log, err)
			}
		})
	}
}

func TestStop(t *testing.T) {
	cases := map[string]struct {
		reason string
		script string
	}{
		"Willing":  {reason: "SIGTERM ends a child.", script: "echo $$ >pid; exec sleep 60"},
		"Stubborn": {reason: "A child that ignores SIGTERM is killed.", script: "trap '' TERM; echo $$ >pid; exec sleep 60"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			// The child's ready sign is a named pipe: reading it waits without polling.
			pipe := filepath.Join(dir, "pid")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			group := process.NewGroup(shell, dir)
			if err := group.Start("component", "-c", tc.script); err != nil {
				t.Fatal(err)
			}
			if _, err := os.ReadFile(pipe); err != nil {
				t.Fatal(err)
			}
			group.Stop(50 * time.Millisecond)
			select {
			case <-group.Ended():
			case <-time.After(5 * time.Second):
				t.Errorf("\n%s\nthe child is still there", tc.reason)
			}
		})
	}
}

func TestStartMissing(t *testing.T) {
	dir := t.TempDir()
	group := process.NewGroup(filepath.Join(dir, "missing"), dir)
	if err := group.Start("component"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start of a missing file: got %v, want %v", err, os.ErrNotExist)
	}
	group.Stop(time.Second)
}
