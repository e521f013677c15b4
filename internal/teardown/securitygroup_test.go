package teardown

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
)

func TestRemoveGroup(t *testing.T) {
	// The rules of others admit addresses, too, as those of the group itself do.
	naming := func(id, group string, tags ...string) types.SecurityGroup {
		return types.SecurityGroup{GroupId: &id, Tags: tagList(tags...), IpPermissions: []types.IpPermission{{
			IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}}, UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &group}, {GroupId: aws.String("sg-7")}},
		}}}
	}
	in := func(id string, more types.NetworkInterface, groups ...string) types.NetworkInterface {
		more.NetworkInterfaceId = &id
		for _, g := range groups {
			more.Groups = append(more.Groups, types.GroupIdentifier{GroupId: &g})
		}
		return more
	}
	bastion := types.NetworkInterface{Status: "in-use", Attachment: &types.NetworkInterfaceAttachment{InstanceId: aws.String("i-1")}}
	database := types.NetworkInterface{Status: "in-use", Description: aws.String("RDSNetworkInterface"), RequesterManaged: aws.Bool(true)}
	ours := []string{"elbv2.k8s.aws/cluster", "opa-dev-cluster"}
	const violation = "DependencyViolation"
	cases := map[string]struct {
		reason     string
		others     []types.SecurityGroup
		interfaces []types.NetworkInterface
		answer     string
		gone       bool
		revoked    []string
		says, not  string
	}{
		"Free":        {reason: "nothing holds it", gone: true},
		"Unseen":      {reason: "what holds it may go with time", answer: violation},
		"Database":    {reason: "AWS may take an interface of its own away", answer: violation, interfaces: []types.NetworkInterface{in("eni-1", database, "sg-1"), in("eni-2", bastion, "sg-2")}},
		"Bastion":     {reason: "an instance of others lives by its rules", answer: violation, others: []types.SecurityGroup{naming("sg-2", "sg-1", ours...)}, interfaces: []types.NetworkInterface{in("eni-1", bastion, "sg-2", "sg-1")}, says: "eni-1"},
		"Ours":        {reason: "a rule of ours is in the way, and that alone goes", answer: violation, others: []types.SecurityGroup{naming("sg-2", "sg-1", ours...)}, interfaces: []types.NetworkInterface{in("eni-1", bastion, "sg-2")}, gone: true, revoked: []string{"sg-2 sg-1"}},
		"Of a stack":  {reason: "its rules are the stack's", answer: violation, others: []types.SecurityGroup{naming("sg-2", "sg-1", append(ours, "aws:cloudformation:stack-id", "arn")...)}},
		"Of others":   {reason: "their rule is theirs, and no time cures it", answer: violation, others: []types.SecurityGroup{naming("sg-db", "sg-1"), naming("sg-x", "sg-9"), naming("sg-2", "sg-1", ours...)}, says: "security group sg-db", not: "sg-x"},
		"Not allowed": {reason: "said as it is", answer: "UnauthorizedOperation"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			api := &filled{groups: tc.others, interfaces: tc.interfaces, refuse: map[string]string{"sg-1": tc.answer}}
			err := network{api: api, cluster: "opa-dev-cluster"}.removeGroup(t.Context(), naming("sg-1", "sg-1", ours...))
			if gone := len(api.deleted) > 0; gone != tc.gone || gone != (err == nil) {
				t.Errorf("%s: gone %t, %v", tc.reason, gone, err)
			}
			if diff := cmp.Diff(tc.revoked, api.revoked); diff != "" {
				t.Errorf("%s: rules taken away (-want +got):\n%s", tc.reason, diff)
			}
			var no refusal
			if refused := errors.As(err, &no); refused != (tc.says != "") || !refused && awsfault.NameOf(err) != tc.answer && !tc.gone {
				t.Errorf("%s: refused %t: %v", tc.reason, refused, err)
			}
			if tc.says != "" && (!strings.Contains(no.why, tc.says) || tc.not != "" && strings.Contains(no.why, tc.not) || !strings.Contains(no.why, "aws ec2 delete-security-group --group-id sg-1")) {
				t.Errorf("%s: %s", tc.reason, no.why)
			}
		})
	}
}
