// Package command runs the kubectl commands that operators send to an environment's kubectl function:
// it owns which commands are let through, and how one is run without giving anything away.
//
// A command can do no more than look and restart a rollout. Two fences keep it there. The first reads
// the arguments against a list of what is known to be harmless, and writes them anew in a form that
// kubectl cannot read otherwise. The second stands between kubectl and the API server: kubectl gets
// neither a credential nor the server's address, but a door on the loopback interface that adds the
// credential to requests which the verb needs, and refuses all others.
//
// The package must not know the wire protocol nor how a cluster is found; it never logs.
package command
