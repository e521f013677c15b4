package target

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
	"github.com/harmonix-eks/environment-provider/internal/stack"
)

// stacks are the live stacks by name.
type stacks map[string]stack.Description

func TestMisfits(t *testing.T) {
	request := environment.Request{Prefix: "opa", Name: "dev", CIDR: "10.0.0.0/24", NodeType: "FARGATE"}
	names := environment.NamesOf(request)
	live := func(status types.StackStatus, pairs ...string) stack.Description {
		d := stack.Description{Status: status, Parameters: map[string]string{"Prefix": "opa", "Name": "dev"}}
		for i := 0; i < len(pairs); i += 2 {
			d.Parameters[pairs[i]] = pairs[i+1]
		}
		return d
	}
	cases := map[string]struct {
		reason string
		live   stacks
		// vpc is the existing one that is asked for; empty: a new one.
		vpc   string
		code  fault.Code
		field string
		says  []string
	}{
		"New":              {reason: "nothing is there"},
		"Same":             {reason: "a re-apply", live: stacks{names.NetworkStack: live("UPDATE_COMPLETE", "VpcCidr", "10.0.0.0/24"), names.IdentityStack: live("CREATE_COMPLETE", "NodeType", "FARGATE")}},
		"Foreign":          {reason: "prefix a-b with name c, and a with b-c, share their names", live: stacks{names.KubectlStack: live("CREATE_COMPLETE", "Prefix", "op", "Name", "a-dev")}, code: fault.Conflict, field: "/name", says: []string{names.KubectlStack, `prefix "op" and name "a-dev"`}},
		"ForeignAndFailed": {reason: "a stack of another environment is not to be replaced either", live: stacks{names.IdentityStack: live("ROLLBACK_COMPLETE", "Name", "de", "Prefix", "v")}, code: fault.Conflict, field: "/name"},
		"NodeType":         {reason: "the role in use would be removed", live: stacks{names.IdentityStack: live("UPDATE_COMPLETE", "NodeType", "MANAGED")}, code: fault.InvalidRequest, field: "/nodeType", says: []string{`nodeType "MANAGED"`, `cannot become "FARGATE"`, `ask for "MANAGED"`, "new environment under another name"}},
		"Moving":           {reason: "it is being made so", live: stacks{names.IdentityStack: live("CREATE_IN_PROGRESS", "NodeType", "MANAGED")}, code: fault.InvalidRequest, field: "/nodeType"},
		"Block":            {reason: "another block would replace the VPC under the cluster", live: stacks{names.NetworkStack: live("UPDATE_ROLLBACK_COMPLETE", "VpcCidr", "10.1.0.0/24")}, code: fault.InvalidRequest, field: "/cidr", says: []string{`"10.1.0.0/24"`, `"10.0.0.0/24"`}},
		"ExistingBefore":   {reason: "the VPC is not this one's", live: stacks{names.NetworkStack: live("CREATE_COMPLETE", "VpcId", "vpc-1")}, code: fault.InvalidRequest, field: "/vpcConfiguration", says: []string{`vpcConfiguration "use_existing"`, `cannot become "create_new"`}},
		"Existing":         {reason: "a re-apply", vpc: "vpc-1", live: stacks{names.NetworkStack: live("CREATE_COMPLETE", "VpcId", "vpc-1")}},
		"ExistingOther":    {reason: "a cluster does not move", vpc: "vpc-2", live: stacks{names.NetworkStack: live("CREATE_COMPLETE", "VpcId", "vpc-1")}, code: fault.InvalidRequest, field: "/vpcId", says: []string{`vpcId "vpc-1"`, `cannot become "vpc-2"`}},
		"NewBefore":        {reason: "its own VPC would be deleted", vpc: "vpc-2", live: stacks{names.NetworkStack: live("CREATE_COMPLETE", "VpcCidr", "10.0.0.0/24")}, code: fault.InvalidRequest, field: "/vpcConfiguration", says: []string{`vpcConfiguration "create_new"`}},
		"Failed":           {reason: "a stack that never worked is made anew, as asked for now", live: stacks{names.NetworkStack: live("ROLLBACK_COMPLETE", "VpcCidr", "10.1.0.0/24"), names.IdentityStack: live("ROLLBACK_IN_PROGRESS", "NodeType", "MANAGED")}},
		"Reviewed":         {reason: "a stack without parameters is nobody's", live: stacks{names.NetworkStack: {Status: "REVIEW_IN_PROGRESS"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			asked := request
			if tc.vpc != "" {
				asked.VPCConfiguration, asked.VPCID, asked.CIDR = "use_existing", tc.vpc, ""
			}
			misfits := Misfits(tc.live, asked)
			if tc.code == "" {
				if len(misfits) > 0 {
					t.Errorf("%s: got %v", tc.reason, misfits)
				}
				return
			}
			if len(misfits) != 1 || misfits[0].Code != tc.code {
				t.Fatalf("%s: got %v, want one %s", tc.reason, misfits, tc.code)
			}
			f := misfits[0]
			if f.Field != tc.field {
				t.Errorf("%s: blames %q", tc.reason, f.Field)
			}
			for _, text := range tc.says {
				if !strings.Contains(f.Message+" "+f.Next, text) {
					t.Errorf("%s: %q and %q lack %q", tc.reason, f.Message, f.Next, text)
				}
			}
		})
	}
}
