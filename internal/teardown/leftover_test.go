package teardown

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing/types"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbv2types "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/harmonix-eks/environment-provider/internal/awsfault"
	"github.com/harmonix-eks/environment-provider/internal/environment"
	"github.com/harmonix-eks/environment-provider/internal/fault"
)

func volume(id string, tags ...string) types.Volume {
	return types.Volume{VolumeId: &id, Tags: tagList(tags...)}
}

// The driver's tags are those of its docs/tagging.md.
func TestVolumes(t *testing.T) {
	n := network{cluster: "opa-dev-cluster", api: &filled{volumes: []types.Volume{
		volume("vol-addon", "KubernetesCluster", "opa-dev-cluster", "kubernetes.io/cluster/opa-dev-cluster", "owned", "ebs.csi.aws.com/cluster", "true"),
		volume("vol-named", "ebs.csi.aws.com/cluster-name", "opa-dev-cluster", "ebs.csi.aws.com/cluster", "true"),
		volume("vol-plain", "ebs.csi.aws.com/cluster", "true", "CSIVolumeName", "pvc-1"),
		volume("vol-tagged", "kubernetes.io/cluster/opa-dev-cluster", "owned"),
		volume("vol-kept", "kubernetes.io/cluster/opa-dev-cluster", "owned"),
		volume("vol-shared", "kubernetes.io/cluster/opa-dev-cluster", "shared"),
		volume("vol-other", "KubernetesCluster", "opa-dev2-cluster", "kubernetes.io/cluster/opa-dev2-cluster", "owned"),
		volume("vol-nobody"),
	}}}
	items, err := n.volumes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var removed []string
	for _, i := range items {
		removed = append(removed, i.what)
	}
	if diff := cmp.Diff([]string{"volume vol-addon", "volume vol-named"}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	drain := &environment.Drain{Volumes: []environment.PersistentVolume{{Name: "pvc-1", VolumeID: "vol-plain"}, {Name: "pvc-2", VolumeID: "vol-addon"}, {Name: "pvc-3", VolumeID: "vol-went"}}}
	drain.Kept = []environment.Leftover{{What: "volume vol-kept", Why: "its reclaim policy is Retain"}}
	left, err := n.unclaimed(t.Context(), drain)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"volume vol-tagged": "kubernetes.io/cluster/opa-dev-cluster", "volume vol-plain": "PersistentVolume pvc-1"}
	for _, l := range left {
		if want[l.What] == "" || !strings.Contains(l.Why, want[l.What]) || !strings.Contains(l.Why, "aws ec2 delete-volume --volume-id "+strings.TrimPrefix(l.What, "volume ")) {
			t.Errorf("orphaned: %s, because %s", l.What, l.Why)
		}
		delete(want, l.What)
	}
	if len(want) > 0 {
		t.Errorf("not reported: %v", want)
	}
}

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

// A refusal is reported at once; it is no fault of the network.
func TestSweepRefusal(t *testing.T) {
	s := newSweep()
	find := func(context.Context) ([]item, error) {
		return []item{{what: "group", remove: func(context.Context) error { return refusal{"a rule names it"} }}}, nil
	}
	if err := s.run(t.Context(), find); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]environment.Leftover{{What: "group", Why: "a rule names it"}}, s.section().Orphaned); diff != "" {
		t.Errorf("orphaned (-want +got):\n%s", diff)
	}
}

// firstGeneration is an account with these load balancers by name.
type firstGeneration struct {
	tags    map[string][]string
	deleted []string
	// vanished is one that goes between two calls.
	vanished string
}

func (f *firstGeneration) DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error) {
	out := &elb.DescribeLoadBalancersOutput{}
	for _, name := range []string{"a1", "b2", "c3", "d4"} {
		out.LoadBalancerDescriptions = append(out.LoadBalancerDescriptions, elbtypes.LoadBalancerDescription{LoadBalancerName: &name, VPCId: aws.String("vpc-1")})
	}
	return out, nil
}

func (f *firstGeneration) DescribeTags(_ context.Context, in *elb.DescribeTagsInput, _ ...func(*elb.Options)) (*elb.DescribeTagsOutput, error) {
	out := &elb.DescribeTagsOutput{}
	for _, name := range in.LoadBalancerNames {
		if name == f.vanished {
			return nil, &smithy.GenericAPIError{Code: "LoadBalancerNotFound", Message: "There is no ACTIVE Load Balancer named 'd4'"}
		}
		d := elbtypes.TagDescription{LoadBalancerName: &name}
		for _, t := range tagList(f.tags[name]...) {
			d.Tags = append(d.Tags, elbtypes.Tag{Key: t.Key, Value: t.Value})
		}
		out.TagDescriptions = append(out.TagDescriptions, d)
	}
	return out, nil
}

func (f *firstGeneration) DeleteLoadBalancer(_ context.Context, in *elb.DeleteLoadBalancerInput, _ ...func(*elb.Options)) (*elb.DeleteLoadBalancerOutput, error) {
	f.deleted = append(f.deleted, *in.LoadBalancerName)
	return &elb.DeleteLoadBalancerOutput{}, nil
}

// The local cloud has none of these, and none that goes between two calls. What the controller in EKS' control plane makes carries the
// Service's name and the cluster's tag.
func TestClassicLoadBalancers(t *testing.T) {
	api := &firstGeneration{vanished: "d4", tags: map[string][]string{
		"a1": {"kubernetes.io/service-name", "shop/web", "kubernetes.io/cluster/opa-dev-cluster", "owned"},
		"b2": {"kubernetes.io/service-name", "shop/web", "kubernetes.io/cluster/other", "owned"},
	}}
	c := classic{api: api, cluster: "opa-dev-cluster"}
	items, err := c.loadBalancers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if err := i.remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"a1"}, api.deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	foreign, err := c.foreign(t.Context(), "vpc-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"load balancer b2", "load balancer c3"}, foreign); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
}

// secondGeneration is an account with these load balancers and target groups by ARN.
type secondGeneration struct {
	balancerAPI
	arns []string
	tags map[string][]string
	// refuses is what AWS answers for one of them.
	refuses map[string]string
}

func (s *secondGeneration) DescribeLoadBalancers(context.Context, *elbv2.DescribeLoadBalancersInput, ...func(*elbv2.Options)) (*elbv2.DescribeLoadBalancersOutput, error) {
	out := &elbv2.DescribeLoadBalancersOutput{}
	for _, arn := range s.arns {
		out.LoadBalancers = append(out.LoadBalancers, elbv2types.LoadBalancer{LoadBalancerArn: &arn, VpcId: aws.String("vpc-1")})
	}
	return out, nil
}

func (s *secondGeneration) DescribeTargetGroups(context.Context, *elbv2.DescribeTargetGroupsInput, ...func(*elbv2.Options)) (*elbv2.DescribeTargetGroupsOutput, error) {
	out := &elbv2.DescribeTargetGroupsOutput{}
	for _, arn := range s.arns {
		out.TargetGroups = append(out.TargetGroups, elbv2types.TargetGroup{TargetGroupArn: &arn, VpcId: aws.String("vpc-1")})
	}
	return out, nil
}

func (s *secondGeneration) DescribeTags(_ context.Context, in *elbv2.DescribeTagsInput, _ ...func(*elbv2.Options)) (*elbv2.DescribeTagsOutput, error) {
	out := &elbv2.DescribeTagsOutput{}
	for _, arn := range in.ResourceArns {
		if code := s.refuses[arn]; code != "" {
			return nil, &smithy.GenericAPIError{Code: code, Message: "no"}
		}
		d := elbv2types.TagDescription{ResourceArn: &arn}
		for _, t := range tagList(s.tags[arn]...) {
			d.Tags = append(d.Tags, elbv2types.Tag{Key: t.Key, Value: t.Value})
		}
		out.TagDescriptions = append(out.TagDescriptions, d)
	}
	return out, nil
}

// DescribeLoadBalancerAttributes tells that those are protected whose ARNs say so.
func (s *secondGeneration) DescribeLoadBalancerAttributes(_ context.Context, in *elbv2.DescribeLoadBalancerAttributesInput, _ ...func(*elbv2.Options)) (*elbv2.DescribeLoadBalancerAttributesOutput, error) {
	value := map[bool]string{true: "true", false: "false"}[strings.HasSuffix(*in.LoadBalancerArn, "protected")]
	if strings.HasSuffix(*in.LoadBalancerArn, "vanished") {
		return nil, &smithy.GenericAPIError{Code: "LoadBalancerNotFound"}
	}
	return &elbv2.DescribeLoadBalancerAttributesOutput{Attributes: []elbv2types.LoadBalancerAttribute{
		{Key: aws.String("access_logs.s3.enabled"), Value: aws.String("true")}, {Key: aws.String("deletion_protection.enabled"), Value: &value},
	}}, nil
}

// A protection that the removal lifts is known before, and one of others is not looked at.
func TestProtectedLoadBalancers(t *testing.T) {
	ours := []string{"elbv2.k8s.aws/cluster", "opa-dev-cluster"}
	api := &secondGeneration{
		arns: []string{"a-protected", "b", "c-vanished", "d-of-others-protected"},
		tags: map[string][]string{"a-protected": ours, "b": ours, "c-vanished": ours},
	}
	got, err := balancers{api: api, cluster: "opa-dev-cluster"}.protected(t.Context())
	if diff := cmp.Diff([]string{"load balancer a-protected"}, got); diff != "" || err != nil {
		t.Errorf("(-want +got, %v):\n%s", err, diff)
	}
}

// One that goes between the list and the question for tags hides none of those that stay.
func TestVanishedLoadBalancer(t *testing.T) {
	for _, gone := range []string{"LoadBalancerNotFound", "TargetGroupNotFound"} {
		api := &secondGeneration{
			arns: []string{"gone", "ours", "others"}, refuses: map[string]string{"gone": gone},
			tags: map[string][]string{"ours": {"elbv2.k8s.aws/cluster", "opa-dev-cluster"}},
		}
		b := balancers{api: api, cluster: "opa-dev-cluster"}
		balancers, err := found(t.Context(), []finder{b.loadBalancers, b.targetGroups})
		if diff := cmp.Diff([]string{"load balancer ours", "target group ours"}, balancers); diff != "" || err != nil {
			t.Errorf("%s: ours (-want +got, %v):\n%s", gone, err, diff)
		}
		foreign, err := b.foreign(t.Context(), "vpc-1")
		if diff := cmp.Diff([]string{"load balancer others"}, foreign); diff != "" || err != nil {
			t.Errorf("%s: foreign (-want +got, %v):\n%s", gone, err, diff)
		}
		stray, err := b.strayTargets(t.Context(), "vpc-1")
		if len(stray) != 1 || stray[0].What != "target group others" || err != nil {
			t.Errorf("%s: stray %v (%v)", gone, stray, err)
		}
		api.refuses["ours"] = "Throttling"
		if _, err := b.loadBalancers(t.Context()); fault.CodeOf(err) != fault.Throttled {
			t.Errorf("%s: what was not told is taken for gone: %v", gone, err)
		}
	}
}

func TestRemainsInVPC(t *testing.T) {
	in := func(id, description string, status types.NetworkInterfaceStatus, more ...func(*types.NetworkInterface)) types.NetworkInterface {
		i := types.NetworkInterface{NetworkInterfaceId: &id, VpcId: aws.String("vpc-1"), Description: &description, Status: status}
		for _, f := range more {
			f(&i)
		}
		return i
	}
	byAWS := func(i *types.NetworkInterface) { i.RequesterManaged = aws.Bool(true) }
	n := network{cluster: "opa-dev-cluster", vpc: "vpc-1", function: "EKS-ENV-opa-dev-kubectl", api: &filled{interfaces: []types.NetworkInterface{
		in("eni-1", "AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c", "in-use", byAWS), in("eni-2", "Amazon EKS opa-dev-cluster", "in-use"),
		in("eni-3", "aws-K8S-i-1", "in-use"), in("eni-4", "ELB app/k8s-shop-web-1/2", "in-use", byAWS), in("eni-5", "ELB a0123456789abcdef0123456789abcde", "in-use", byAWS),
		in("eni-6", "fargate", "in-use", byAWS), in("eni-7", "mine", "available"), in("eni-8", "AWS Lambda VPC ENI-orders-1", "in-use", byAWS),
		in("eni-9", "aws-K8S-i-2", "available"),
	}}}
	got, err := n.remains(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(lines []string) (ids []string) {
		for _, l := range lines {
			ids = append(ids, strings.Fields(l)[2])
		}
		return ids
	}
	for what, lists := range map[string][2][]string{
		"leaving": {{"eni-1", "eni-2", "eni-3", "eni-4", "eni-5"}, ids(got.leaving)},
		"unknown": {{"eni-6"}, ids(got.unknown)},
		"foreign": {{"eni-7", "eni-8", "eni-9"}, ids(got.foreign)},
	} {
		if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, tc := range []struct {
		reason        string
		r             remains
		late, unknown bool
		waits         bool
	}{
		{reason: "Lambda takes 45 minutes", r: remains{leaving: []string{"a"}}, unknown: true, waits: true},
		{reason: "and no end of time", r: remains{leaving: []string{"a"}}, late: true, unknown: true},
		{reason: "what AWS has made goes as a rule", r: remains{unknown: []string{"a"}}, waits: true},
		{reason: "and if not, it is others'", r: remains{unknown: []string{"a"}}, unknown: true},
		{reason: "what is somebody's does not go", r: remains{foreign: []string{"a"}}},
	} {
		if waits := fault.CodeOf(tc.r.wait(tc.late, tc.unknown)) == fault.InProgress; waits != tc.waits {
			t.Errorf("%s: waits %t", tc.reason, waits)
		}
	}
}

// The security groups of an environment in a VPC of others cannot go while Lambda's interfaces have them,
// whoever has deleted the function (row 6.2). What has other groups is none of ours.
func TestRemainsInVPCOfOthers(t *testing.T) {
	with := func(id, description, group string) types.NetworkInterface {
		return types.NetworkInterface{
			NetworkInterfaceId: &id, VpcId: aws.String("vpc-9"), Description: &description, Status: "in-use", Groups: []types.GroupIdentifier{{GroupId: &group}},
		}
	}
	all := []types.NetworkInterface{
		with("eni-1", "AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c", "sg-kubectl"), with("eni-2", "Amazon EKS opa-dev-cluster", "sg-control"),
		with("eni-3", "AWS Lambda VPC ENI-orders-1", "sg-kubectl"), with("eni-4", "", "sg-kubectl"), with("eni-5", "ELB app/orders/1", "sg-orders"),
	}
	n := network{cluster: "opa-dev-cluster", function: "EKS-ENV-opa-dev-kubectl", api: &filled{interfaces: all}}
	got, err := n.remains(t.Context(), []string{"sg-control", "sg-kubectl"})
	want := remains{
		leaving: []string{"network interface eni-1 (AWS Lambda VPC ENI-EKS-ENV-opa-dev-kubectl-0c)", "network interface eni-2 (Amazon EKS opa-dev-cluster)"},
		foreign: []string{"network interface eni-3 (AWS Lambda VPC ENI-orders-1)"}, unknown: []string{"network interface eni-4"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(remains{})); diff != "" || err != nil {
		t.Errorf("(-want +got, %v):\n%s", err, diff)
	}
	refusal := got.refuse("", []string{"sg-control", "sg-kubectl"})
	if f := fault.As(refusal); f.Code != fault.Conflict || !strings.Contains(f.Message, "sg-control and sg-kubectl") || !strings.Contains(f.Message, "eni-3") || strings.Contains(f.Message, "eni-1") {
		t.Errorf("refuses with %v", refusal)
	}
	if got, err := n.remains(t.Context(), nil); err != nil || len(got.leaving)+len(got.foreign)+len(got.unknown) > 0 {
		t.Errorf("without groups of its own it finds %v (%v)", got, err)
	}
	if err := (remains{leaving: []string{"eni-1"}}).refuse("", nil); err != nil {
		t.Errorf("what goes by itself stops nothing: %v", err)
	}
}

type issuers map[string]bool

func (i issuers) GetOpenIDConnectProvider(_ context.Context, in *iam.GetOpenIDConnectProviderInput, _ ...func(*iam.Options)) (*iam.GetOpenIDConnectProviderOutput, error) {
	if !i[*in.OpenIDConnectProviderArn] {
		return nil, &iamtypes.NoSuchEntityException{}
	}
	return &iam.GetOpenIDConnectProviderOutput{}, nil
}

func TestStrayProvider(t *testing.T) {
	const arn = "arn:aws:iam::222222222222:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A"
	for _, tc := range []struct {
		reason, arn string
		there, told bool
	}{
		{reason: "the stack's own went with it", arn: arn},
		{reason: "one made by hand stays (row 6.11)", arn: arn, there: true, told: true},
		{reason: "there was no cluster"},
	} {
		got, err := strayProvider(t.Context(), issuers{arn: tc.there}, tc.arn)
		if err != nil {
			t.Fatal(err)
		}
		if told := len(got) == 1 && got[0].What == "OIDC provider "+arn && strings.Contains(got[0].Why, "delete-open-id-connect-provider"); told != tc.told || len(got) > 1 {
			t.Errorf("%s: %v", tc.reason, got)
		}
	}
}
