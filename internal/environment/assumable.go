package environment

// AssumableRoleNames are the names, as patterns, of the roles that the kubectl function of an
// environment may take on, besides those that a request adds: the environment's own, and the
// administrator roles that Harmonix' application stacks ({app}-eks-resources-{env}-{provider}) make.
// The function holds them against the role that a caller names, and its IAM policy has the same.
//
// environment is "{prefix}-{name}", or what a template has in its place.
func AssumableRoleNames(environment string) []string {
	return []string{environment + "-*", "*-eks-resources-*"}
}
