// Package environment owns what an environment is: the request and its rules, the names derived
// from it, its address plan and the state document of an execution. It is pure: it must not know
// AWS' clients, Kubernetes, Lambda or the clock.
package environment
