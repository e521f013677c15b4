// Package teardown removes an environment: what is in the cluster and holds on to things outside of
// it, the stacks, and what neither a stack nor a controller has taken away.
//
// The stages have a file each: survey, drain, deletestack, sweepnetwork, sweepdata. What they work with is
// named after what it is in AWS: balancer and classic, network with its security groups, network interfaces
// and volumes, loggroup, key, role. An [inventory] joins what lies outside of the stacks; a [drainer] does
// what is done in the cluster; a [sweep] removes the items that finders find. An [obstacle] is what others
// have, and what would stop a removal half-way; foreign and routing find it in the VPC.
//
// It owns the order of things and the question whose something is: by its stack, its name or its tags.
// It must not touch what it cannot tell that of; that is reported.
package teardown
