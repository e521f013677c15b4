package contract_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/record"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

const resultDocument described = "result"

// TestResultExample holds the documented result against the schema and the code that writes it.
func TestResultExample(t *testing.T) {
	exampleIs[record.Result](t, resultDocument)
}

// TestResultOfAnExecution holds what the Complete stage makes against the schema.
func TestResultOfAnExecution(t *testing.T) {
	cases := map[string]struct {
		reason string
		input  stage.Input
	}{
		"Fargate": {"the smallest environment", finished(environment.NodeTypeFargate)},
		"Managed": {"with a warning, a finding, and endpoints", troubled(finished(environment.NodeTypeManaged))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			complete := record.NewComplete(record.NewHistory(forgetful{}, "table"), forgetful{}, deaf())
			result, err := complete.Run(t.Context(), tc.input)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			resultDocument.takesJSON(t, tc.reason, result)
		})
	}
}

// TestResultRefused shows that the schema refuses what is not a result.
func TestResultRefused(t *testing.T) {
	resultDocument.refuses(t, map[string]forgery{
		"Status":  {"a failure has no result", `"status": "SUCCEEDED"`, `"status": "FAILED"`},
		"Change":  {"three words only", `"change": "updated"`, `"change": "deleted"`},
		"Unknown": {"a field that nobody described", `"changed": true`, `"changed": true, "more": 1`},
		"Missing": {"every field is there", `"currency": "USD",`, ``},
	})
}

// deaf is a bus that nobody listens to.
func deaf() *record.Bus { return record.NewBus(forgetful{}, "default", slog.New(slog.DiscardHandler)) }

// forgetful is a table that keeps nothing, and the locks in it.
type forgetful struct{}

func (forgetful) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return &dynamodb.PutItemOutput{}, nil
}

func (forgetful) PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	return &eventbridge.PutEventsOutput{}, nil
}

func (forgetful) Release(context.Context, environment.Request, string) error { return nil }

// finished is the state document of an execution in which every stage is done.
func finished(nodeType string) stage.Input {
	request := environment.Request{
		Prefix: "opa", Name: "dev", AccountID: "222222222222", Region: "us-east-1", VPCConfiguration: environment.VPCCreateNew,
		APIAccess: environment.APIPublicAndPrivate, NodeType: nodeType,
	}.WithDefaults()
	done := environment.Progress{Change: environment.Created, Seconds: 1.5}
	return stage.Input{State: environment.State{
		Execution: environment.Execution{
			ARN: "arn:aws:states:us-east-1:111111111111:execution:machine:run", Name: "run", StartTime: time.Now().Add(-time.Minute),
		},
		Request:   request,
		Names:     environment.NamesOf(request),
		Lock:      &environment.Lock{Progress: environment.Progress{Change: environment.Unchanged}},
		Bootstrap: &environment.Bootstrap{Progress: done},
		Network:   &environment.Network{Progress: done, VPCID: "vpc-0c0252a6ba6da9301", PrivateSubnetIDs: []string{"subnet-1", "subnet-2"}},
		Identity:  &environment.Identity{Progress: done, ClusterAdminRoleARN: "arn:aws:iam::222222222222:role/opa-dev-cluster-admin-role"},
		Cluster: &environment.Cluster{
			Progress: done, ARN: "arn:aws:eks:us-east-1:222222222222:cluster/opa-dev-cluster", Endpoint: "https://api.example.com", Version: "1.36",
		},
		Egress:       &environment.Egress{Progress: done, NATGatewayIDs: []string{"nat-1"}},
		Kubectl:      &environment.Kubectl{Progress: done, FunctionARN: "arn:aws:lambda:us-east-1:222222222222:function:EKS-ENV-opa-dev-kubectl"},
		Access:       &environment.Access{Progress: done},
		Capacity:     &environment.Capacity{Progress: done},
		AddonRoles:   &environment.AddonRoles{Progress: done},
		Logging:      &environment.Logging{Progress: done},
		ClusterDNS:   &environment.ClusterDNS{Progress: done},
		LoadBalancer: &environment.LoadBalancer{Progress: done},
		Verification: &environment.Verification{
			Progress: done, Nodes: []environment.NodeResult{{Name: "ip-10-0-0-1.ec2.internal", Version: "v1.36.3", Ready: true}},
			Findings: []environment.Finding{},
		},
		Provider: &environment.Provider{Progress: done, Outputs: map[string]string{"VPC": "/opa/dev/vpc"}},
	}}
}

// troubled is the same with something to remark on.
func troubled(in stage.Input) stage.Input {
	in.State.Findings = []environment.Finding{{
		Severity: "warning", Code: "OpenAPI", Field: "/apiAccessCidrs", Found: "the Kubernetes API is open to the internet", Next: "name the blocks that need it",
	}}
	in.State.Egress.InterfaceEndpoints = []string{"ec2", "sts"}
	in.State.Verification.Findings = []environment.Finding{{Severity: "warning", Code: "NodeNotReady", Found: "node a is not ready", Next: "describe the node"}}
	return in
}
