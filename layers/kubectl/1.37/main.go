// Command kubectl is the kubectl of the layer for clusters of Kubernetes 1.37: the upstream command
// and nothing else.
//
// It is built from source, in a module of its own, so that the layer of each minor has exactly the
// libraries of that minor and the bytes can be made again from go.sum. Upstream's legacy
// authentication plugins are left out: the kubectl function writes a bearer token into its kubeconfig.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	// The flags are parsed by Run, but building the command already logs; so look for -v first.
	// A level that is no number is reported by Run.
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	// kubectl itself prints an error and chooses the exit code, which some commands use as an answer.
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
