// Package teardown removes an environment: what is in the cluster and holds on to things outside of
// it, the stacks, and what neither a stack nor a controller has taken away.
//
// It owns the order of things and the question whose something is: by its stack, its name or its tags.
// It must not touch what it cannot tell that of; that is reported.
package teardown
