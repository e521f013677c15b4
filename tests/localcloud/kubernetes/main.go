// Command kubernetes is a whole Kubernetes control plane in one binary, for a machine that can run
// neither containers with privileges nor pull images.
//
// It is etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok and kubectl, chosen by
// the name it is called by or, called by any other name, by its first argument. As "server" it starts
// all of them as one cluster:
//
//	kubernetes server --dir DIR [--endpoint-port N] [--nodes N] ...
//	kubernetes kubectl --kubeconfig DIR/admin.kubeconfig get nodes
//
// Everything the cluster writes lies in DIR:
//
//	ready                 JSON with endpoint, ports, nodes and paths; there only while the cluster can be used
//	ca.crt                certificate that clients trust
//	admin.kubeconfig      kubeconfig of a system:masters user
//	audit.log             one JSON line for every request that changes something
//	COMPONENT.log         output of a component, of its last start
//	pki, etcd             keys and data; they make a server started again in DIR the same cluster
//	*.kubeconfig, *.yaml  what the components are given
//	lock                  held by the running server
//
// Everything listens on 127.0.0.1, on ports of the moment, so clusters run side by side.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Stderr))
}

// run finds the component and hands over. Components read os.Args, so it is made to begin with the
// component's name.
func run(stderr io.Writer) int {
	components := components()
	for range 2 {
		if len(os.Args) == 0 {
			break
		}
		if component, ok := components[filepath.Base(os.Args[0])]; ok {
			return component()
		}
		os.Args = os.Args[1:]
	}
	names := slices.Sorted(maps.Keys(components))
	fmt.Fprintf(stderr, "usage: kubernetes COMPONENT [flags], with COMPONENT one of %s\n", strings.Join(names, ", "))
	return 2
}
