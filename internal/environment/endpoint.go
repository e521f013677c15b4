package environment

import (
	"slices"
	"strings"
)

// InterfaceEndpoints lists the AWS services that a request may name in interfaceEndpoints, by the
// last part of the endpoint service's name, "com.amazonaws.{region}.{service}". S3 and DynamoDB are
// not among them: every environment has their gateway endpoints, which cost nothing.
func InterfaceEndpoints() []string {
	return slices.Concat(PrivateEndpoints(), []string{
		// What Harmonix' own provider makes besides (harmonix-contract.md, section 2.3).
		"execute-api", "monitoring", "rds", "sns", "sqs",
		"autoscaling", "cloudformation", "ec2messages", "secretsmanager", "ssmmessages", "xray",
	})
}

// PrivateEndpoints lists what nodes, the controllers on them and the kubectl function call: with
// these and the gateway endpoints none of their calls to AWS leaves the VPC (aws-traps.md, row
// 5.16). They are the default where the Kubernetes API is private. An endpoint costs as much per
// zone and hour whether it is used or not, about 7 USD a month, so that the eleven cost about 240
// USD a month in three zones, where a NAT gateway with its address costs 37.
func PrivateEndpoints() []string {
	return []string{
		"ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "lambda", "logs", "ssm", "sts",
	}
}

// EndpointParameter is the name of the egress template's parameter for the service: EndpointEcrApi
// for ecr.api.
func EndpointParameter(service string) string {
	var b strings.Builder
	b.WriteString("Endpoint")
	for _, part := range strings.FieldsFunc(service, func(r rune) bool { return r == '.' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
