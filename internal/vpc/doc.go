// Package vpc looks at a VPC that exists already: how each of its subnets leaves it, which of them an
// environment uses, and what is missing for that. It reads only, except for the load balancer tags of
// subnets, where a request asks for them. It must not know CloudFormation.
package vpc
