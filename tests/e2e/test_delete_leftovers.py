"""What controllers make outside of the stacks goes with the environment; what others made is not touched."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.exposed import INGRESSES, SERVICES, expose
from e2e.provider import Execution, Provider, Request
from e2e.removal import Life, deletion
from e2e.world import World
from localcloud import snapshot
from localcloud.extension.eks.kube import KubeClient

_CLUSTER = "opa-removed-cluster"
_OTHER = "opa-elsewhere-cluster"


class Controller(threading.Thread):
    """Stands for the load balancer controller: when an object of its is deleted, it removes the load balancer, then its finalizer."""

    def __init__(self, world: World, kube: KubeClient, balancers: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._world, self._kube, self._balancers = world, kube, balancers
        self.stacks: list[set[str]] = []
        """The statuses of the environment's stacks whenever the controller had something to remove."""
        self.deployments: list[int] = []
        """The ready replicas of the real controller's Deployment then."""

    def run(self) -> None:
        """Until all are gone."""
        end = time.monotonic() + 120
        while self._balancers and time.monotonic() < end:
            for path, balancer in list(self._balancers.items()):
                if "deletionTimestamp" in self._kube.get(path)["metadata"]:
                    stacks = self._world.stacks("222222222222")
                    self.stacks.append({s["StackStatus"] for name, s in stacks.items() if name.startswith("EKS-ENV-opa-removed-")})
                    real = self._kube.get("/apis/apps/v1/namespaces/kube-system/deployments/aws-load-balancer-controller")
                    self.deployments.append(real["status"]["readyReplicas"])
                    time.sleep(1.5)  # so that the stage has to look again
                    self._world.target("elbv2").delete_load_balancer(LoadBalancerArn=balancer)
                    self._kube.request("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
                    del self._balancers[path]
            time.sleep(0.1)


@dataclasses.dataclass(frozen=True)
class Litter:
    """An environment with much beside its stacks, and its deletion."""

    made: Execution
    refused: Execution
    stacks_after_refusal: dict[str, str]
    controller: Controller
    ours: set[str]
    """What is the cluster's, as the result names it."""
    foreign: dict[str, Any]
    """What others have made, by what the result would call it, with the call that finds it."""
    removed: Execution


def _tags(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": _pairs(tags)}]


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture(scope="module")
def litter(provider: Provider, world: World, life: Life) -> Iterator[Litter]:
    """Made again after its removal, refused because of what others have put into it, littered, and removed."""
    request = life.requests["fargate"]
    made = provider.run(request).succeeded()
    network = made.outputs("JoinFoundation")["network"]
    refused = _refused(provider, world, request, network)
    left = {name: stack["StackStatus"] for name, stack in world.stacks("222222222222").items() if name.startswith("EKS-ENV-opa-removed-")}
    ours, balancers, volume = _strewn(world, network)
    foreign = _of_others(world, network)
    kube = KubeClient(world.layout.clusters / _CLUSTER / "admin.kubeconfig")
    _claimable(kube, volume)
    controller = Controller(world, kube, {expose(kube, INGRESSES, "web"): balancers[0], expose(kube, SERVICES, "api"): balancers[1]})
    ours |= {"Ingress default/web", "Service default/api"}
    controller.start()
    yield Litter(made, refused, left, controller, ours, foreign, provider.run(deletion(request)))
    ec2, elbv2 = world.target("ec2"), world.target("elbv2")
    for what in foreign:
        kind, _, identifier = what.rpartition(" ")
        match kind:
            case "volume":
                ec2.delete_volume(VolumeId=identifier)
            case "target group":
                elbv2.delete_target_group(TargetGroupArn=identifier)
            case "security group":
                ec2.delete_security_group(GroupId=identifier)


def _refused(provider: Provider, world: World, request: Request, network: dict[str, Any]) -> Execution:
    """A deletion while others use the VPC, the cluster and a role; they have gone afterwards."""
    ec2, elbv2, eks, iam = (world.target(service) for service in ("ec2", "elbv2", "eks", "iam"))
    subnet, role, policy = network["privateSubnetIds"][0], "opa-removed-pod-execution-role", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    balancer = elbv2.create_load_balancer(Name="orders", Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"]
    group = ec2.create_security_group(GroupName="orders", Description="of another team", VpcId=network["vpcId"])["GroupId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Description="orders")["NetworkInterface"]["NetworkInterfaceId"]
    eks.create_fargate_profile(
        fargateProfileName="orders",
        clusterName=_CLUSTER,
        selectors=[{"namespace": "orders"}],
        subnets=network["privateSubnetIds"],
        podExecutionRoleArn=f"arn:aws:iam::222222222222:role/{role}",
    )
    eks.get_waiter("fargate_profile_active").wait(clusterName=_CLUSTER, fargateProfileName="orders", WaiterConfig={"Delay": 1})
    iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName="orders")
    iam.add_role_to_instance_profile(InstanceProfileName="orders", RoleName=role)
    ways = _ways(world, network["vpcId"], subnet)
    refused = provider.run(deletion(request))
    for undo in ways:
        undo()
    iam.remove_role_from_instance_profile(InstanceProfileName="orders", RoleName=role)
    iam.delete_instance_profile(InstanceProfileName="orders")
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    eks.delete_fargate_profile(clusterName=_CLUSTER, fargateProfileName="orders")
    eks.get_waiter("fargate_profile_deleted").wait(clusterName=_CLUSTER, fargateProfileName="orders", WaiterConfig={"Delay": 1})
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_security_group(GroupId=group)
    elbv2.delete_load_balancer(LoadBalancerArn=balancer)
    return refused


def _ways(world: World, vpc: str, subnet: str) -> list[Callable[[], object]]:
    """Ways of others into the VPC and out of it, by the calls that take them away."""
    ec2 = world.target("ec2")
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    egress = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    vpn = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=vpn, VpcId=vpc)
    other = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=vpc)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    return [
        lambda: ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering),
        lambda: ec2.detach_vpn_gateway(VpnGatewayId=vpn, VpcId=vpc),
        lambda: ec2.delete_vpn_gateway(VpnGatewayId=vpn),
        lambda: ec2.delete_nat_gateway(NatGatewayId=nat),
        lambda: ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=egress),
        lambda: ec2.delete_network_acl(NetworkAclId=acl),
        lambda: ec2.delete_route_table(RouteTableId=table),
    ]


def _claimable(kube: KubeClient, volume: str) -> None:
    """A PersistentVolume that lets go of the volume: the EBS CSI driver has made it, and nobody claims it."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": volume},
    }
    metadata = {"name": "pvc-free", "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}}
    kube.request("POST", "/api/v1/persistentvolumes", {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})


def _strewn(world: World, network: dict[str, Any]) -> tuple[set[str], list[str], str]:
    """What the controllers of the cluster leave, as the result names it, the load balancers that are in use, and the volume."""
    ec2, elbv2, logs = world.target("ec2"), world.target("elbv2"), world.target("logs")
    controller, vpc, subnet = {"elbv2.k8s.aws/cluster": _CLUSTER}, network["vpcId"], network["publicSubnetIds"][0]
    groups = [
        ec2.create_security_group(GroupName=name, Description="by a controller", VpcId=vpc, TagSpecifications=_tags("security-group", **tags))["GroupId"]
        for name, tags in (
            ("k8s-traffic-removed", controller),
            ("k8s-default-web", controller),
            ("k8s-elb-a0123456789abcdef0123456789abcdef", {f"kubernetes.io/cluster/{_CLUSTER}": "owned"}),
        )
    ]
    for group, other in ((groups[0], groups[1]), (groups[1], groups[0]), (groups[2], groups[0])):
        permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": other}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    balancers = [
        elbv2.create_load_balancer(Name=f"k8s-default-{name}", Subnets=[subnet], SecurityGroups=[groups[1]], Tags=_pairs(controller))["LoadBalancers"][0]
        for name in ("web", "api", "stale")
    ]
    protected = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elbv2.modify_load_balancer_attributes(LoadBalancerArn=balancers[2]["LoadBalancerArn"], Attributes=protected)
    target = elbv2.create_target_group(Name="k8s-default-web", Protocol="HTTP", Port=80, VpcId=vpc, Tags=_pairs(controller))["TargetGroups"][0]
    interface = ec2.create_network_interface(
        SubnetId=network["privateSubnetIds"][0],
        Description="aws-K8S-i-0123456789abcdef0",
        Groups=[groups[0]],
        TagSpecifications=_tags("network-interface", **{"cluster.k8s.amazonaws.com/name": _CLUSTER}),
    )["NetworkInterface"]
    tags = {"ebs.csi.aws.com/cluster": "true", "KubernetesCluster": _CLUSTER, f"kubernetes.io/cluster/{_CLUSTER}": "owned"}
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=_tags("volume", **tags))["VolumeId"]
    logs.create_log_group(logGroupName=f"/aws/eks/{_CLUSTER}/cluster")
    ours = {f"security group {group}" for group in groups} | {f"load balancer {b['LoadBalancerArn']}" for b in balancers}
    ours |= {f"target group {target['TargetGroupArn']}", f"network interface {interface['NetworkInterfaceId']}"}
    ours |= {f"volume {volume}", f"log group /aws/eks/{_CLUSTER}/cluster"}
    return ours, [b["LoadBalancerArn"] for b in balancers], volume


def _of_others(world: World, network: dict[str, Any]) -> dict[str, Any]:
    """The same of another cluster, or of nobody, where it does not keep the VPC from going; volumes that no PersistentVolume lets go."""
    ec2, elbv2 = world.target("ec2"), world.target("elbv2")

    def volume(**tags: str) -> str:
        return ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=_tags("volume", **{"Name": "x"} | tags))["VolumeId"]

    volumes = [
        volume(KubernetesCluster=_OTHER, **{f"kubernetes.io/cluster/{_OTHER}": "owned"}),
        volume(),
        volume(**{f"kubernetes.io/cluster/{_CLUSTER}": "owned"}),
        volume(KubernetesCluster=_CLUSTER),
        volume(**{"ebs.csi.aws.com/cluster-name": _CLUSTER}),
    ]
    target = elbv2.create_target_group(Name="orders", Protocol="HTTP", Port=80, VpcId=network["vpcId"])["TargetGroups"][0]["TargetGroupArn"]
    group = ec2.create_security_group(
        GroupName="k8s-traffic-elsewhere", Description="of another cluster", TagSpecifications=_tags("security-group", **{"elbv2.k8s.aws/cluster": _OTHER})
    )["GroupId"]
    return {f"volume {v}": None for v in volumes} | {f"target group {target}": None, f"security group {group}": None}


def test_same_environment_is_made_again(litter: Litter) -> None:
    result = litter.made.result
    changes = {stage["stage"]: stage["change"] for stage in result["stages"]}
    made = ("Network", "Identity", "Cluster", "Egress", "DeployKubectl", "Access", "Capacity", "AddonRoles", "Register")
    assert [changes[stage] for stage in made] == ["created"] * len(made)
    assert result["findings"] == []


def test_what_others_use_is_refused_before_anything_is_removed(litter: Litter) -> None:
    cause = litter.refused.failed("Conflict")
    assert cause["stage"] == "Survey"
    for what in ("load balancer arn:aws:elasticloadbalancing", "loadbalancer/app/orders/", "(orders)", "network interface eni-", "Fargate profile orders"):
        assert what in cause["message"]
    for kind in (
        "route table rtb-",
        "network ACL acl-",
        "NAT gateway nat-",
        "VPN gateway vgw-",
        "egress-only internet gateway eigw-",
        "VPC peering connection pcx-",
    ):
        # One of each: the environment's own are none of them.
        assert cause["message"].count(kind) == 1, kind
    assert "AmazonSSMManagedInstanceCore of opa-removed-pod-execution-role" in cause["message"]
    assert "instance profile orders with opa-removed-pod-execution-role" in cause["message"]
    assert f"aws eks delete-fargate-profile --cluster-name {_CLUSTER} --fargate-profile-name orders" in cause["next"]
    assert "aws iam detach-role-policy --role-name opa-removed-pod-execution-role" in cause["next"]
    assert "nothing was removed so far" in cause["next"]
    assert len(litter.stacks_after_refusal) == 8
    assert {status for status in litter.stacks_after_refusal.values() if "DELETE" in status} == set()


def test_exposed_objects_go_first_while_their_controller_lives(litter: Litter) -> None:
    litter.removed.succeeded()
    assert not litter.controller.is_alive()
    assert len(litter.controller.stacks) == 2
    for statuses in litter.controller.stacks:
        assert statuses <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert litter.controller.deployments == [2, 2]


def test_what_controllers_left_is_removed(litter: Litter, world: World) -> None:
    result = litter.removed.succeeded().result
    assert litter.ours - set(result["removed"]) == set()
    protections = [what for what in result["removed"] if what.startswith("protection from deletion of ")]
    assert len(protections) == 1
    assert "loadbalancer/app/k8s-default-stale/" in protections[0]
    # Tags of what is gone are kept, and the history names it.
    memory = ("ec2._tags", "stepfunctions.", "dynamodb.", "cloudformation.")
    everything = json.dumps({key: value for key, value in snapshot.services(world.layout).items() if not key.startswith(memory)})
    for what in litter.ours:
        assert what.rpartition(" ")[2] not in everything or what.startswith(("Ingress", "Service")), what


def test_what_others_made_is_there_and_reported_where_it_concerns_the_environment(litter: Litter, world: World) -> None:
    result = litter.removed.succeeded().result
    everything = json.dumps(snapshot.services(world.layout))
    for what in litter.foreign:
        assert what not in result["removed"]
        assert what.rpartition(" ")[2] in everything
    orphaned = {line["what"]: line["why"] for line in result["orphaned"]}
    *_, made, addon, named = (what for what in litter.foreign if what.startswith("volume "))
    target = next(what for what in litter.foreign if what.startswith("target group "))
    assert set(orphaned) == {made, addon, named, target}
    assert f"kubernetes.io/cluster/{_CLUSTER}" in orphaned[made]
    for volume in (addon, named):
        assert "Kubernetes was not told to delete it" in orphaned[volume]
    for volume in (made, addon, named):
        assert f"aws ec2 delete-volume --volume-id {volume.removeprefix('volume ')}" in orphaned[volume]
    assert "aws elbv2 delete-target-group" in orphaned[target]
