"""What is only partly there is removed all the same: never made, failed, stopped, taken away by hand."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator

import pytest

from e2e.exposed import INGRESSES, expose
from e2e.provider import Execution, Provider, Request, example
from e2e.removal import beforehand, deletion, traces
from e2e.roles import lesser_role
from e2e.world import World, eventually
from localcloud import snapshot
from localcloud.extension.eks.kube import KubeClient

_OBSTACLE = "opa-failed-provisioning-role"


@dataclasses.dataclass(frozen=True)
class Remains:
    """Environments that are not whole, as they were found, and their deletions."""

    found: dict[str, list[str]]
    """The stacks with their statuses at the start of the deletion, by the environment's name."""
    removed: dict[str, Execution]
    before: snapshot.Snapshot
    after: snapshot.Snapshot


@pytest.fixture(scope="module")
def remains(provider: Provider, world: World) -> Remains:
    """One of each kind, made and removed side by side."""
    before = beforehand(world)
    requests = {
        "never": example("fargate", name="never", cidr="10.80.0.0/24"),
        # Its last stages find no chart of this version.
        "unfinished": example("managed-nodes", name="unfinished", cidr="10.81.0.0/24", chart={"version": "0.0.1"}),
        "stopped": example("fargate", name="stopped-early", cidr="10.82.0.0/24"),
        "clusterless": example("fargate", name="clusterless", cidr="10.83.0.0/24"),
    }
    with _failing(world) as role:
        failing = example("fargate", name="failed", cidr="10.84.0.0/24", environmentRole=role)
        started = {name: provider.start(request) for name, request in (requests | {"failed": failing}).items() if name not in ("never", "stopped")}
        _stop_when(provider, world, started["clusterless"], "EKS-ENV-opa-clusterless-Cluster", "CREATE_COMPLETE")
        assert provider.wait(started["failed"]).status == "FAILED"
    assert provider.wait(started["unfinished"]).status == "FAILED"
    _take_vpc_away(world, "opa-failed")
    _take_cluster_away(world, "opa-clusterless-cluster")
    expose(KubeClient(world.layout.clusters / "opa-unfinished-cluster" / "admin.kubeconfig"), INGRESSES, "stuck")
    requests["failed"] = example("fargate", name="failed", cidr="10.84.0.0/24")
    # Last of all, so that its stacks are still at work.
    _stop_when(provider, world, provider.start(requests["stopped"]), "EKS-ENV-opa-stopped-early-Cluster", "CREATE_IN_PROGRESS")
    found = {name: _stacks(world, request) for name, request in requests.items()}
    arns = {name: provider.start(deletion(request)) for name, request in requests.items()}
    return Remains(found, {name: provider.wait(arn) for name, arn in arns.items()}, before, snapshot.take(world.layout))


def test_never_made(remains: Remains) -> None:
    assert remains.found["never"] == []
    result = remains.removed["never"].succeeded().result
    assert (result["changed"], result["removed"], result["kept"], result["orphaned"]) == (False, [], [], [])


def test_failed_at_its_last_stages(remains: Remains) -> None:
    assert "Cluster CREATE_COMPLETE" in remains.found["unfinished"]
    assert not [line for line in remains.found["unfinished"] if line.startswith("Stack ")]
    _clean(remains, "unfinished", "Ingress default/stuck")


def test_finalizer_that_nobody_takes_away_is_waited_for_with_a_bound(remains: Remains) -> None:
    result = remains.removed["unfinished"].succeeded().result
    (why,) = (line["why"] for line in result["orphaned"])
    assert "15 seconds" in why
    assert "ingress.k8s.aws/resources" in why
    assert "Ingress default/stuck" not in result["removed"]


def test_stopped_while_its_stacks_moved(remains: Remains) -> None:
    assert [line for line in remains.found["stopped"] if line.endswith("_IN_PROGRESS")] != []
    _clean(remains, "stopped")


def test_failed_with_its_vpc_taken_away_by_hand(remains: Remains) -> None:
    assert "Identity ROLLBACK_COMPLETE" in remains.found["failed"]
    _clean(remains, "failed")


def test_cluster_taken_away_by_hand(remains: Remains) -> None:
    assert "Cluster CREATE_COMPLETE" in remains.found["clusterless"]
    _clean(remains, "clusterless")


def test_nothing_is_left_of_any(remains: Remains) -> None:
    for removed in remains.removed.values():
        removed.succeeded()
    assert traces(remains.before, remains.after) == []


def _clean(remains: Remains, name: str, *orphaned: str) -> None:
    """Checks that a deletion has removed the stacks that were there, and left nothing but keys, and says what it cannot know."""
    result = remains.removed[name].succeeded().result
    stacks = {line.rpartition("-")[2] for line in result["removed"] if line.startswith("stack ")}
    assert stacks >= {line.split()[0] for line in remains.found[name]}
    assert [line["what"] for line in result["orphaned"]] == list(orphaned)
    assert {kept["what"].split()[0] for kept in result["kept"]} <= {"KMS"}


@contextlib.contextmanager
def _failing(world: World) -> Iterator[str]:
    """A role that the environment wants to make is there, and the environment role may not look for it beforehand."""
    iam = world.target("iam")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    iam.create_role(RoleName=_OBSTACLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        with lesser_role(world, lambda statement, _: statement["Sid"] == "LookAtRoles") as role:
            yield role
    finally:
        iam.delete_role(RoleName=_OBSTACLE)


def _stop_when(provider: Provider, world: World, arn: str, stack: str, status: str) -> None:
    """Stops an execution when a stack has a status."""
    eventually(lambda: world.stacks("222222222222").get(stack, {}).get("StackStatus") == status, f"{status} of stack {stack}", 120)
    provider.states.stop_execution(executionArn=arn, error="Stopped", cause="a test")


def _stacks(world: World, request: Request) -> list[str]:
    prefix = f"EKS-ENV-{request['prefix']}-{request['name']}-"
    stacks = world.stacks(request["awsAccountID"])
    return [f"{name.removeprefix(prefix)} {stack['StackStatus']}" for name, stack in stacks.items() if name.startswith(prefix)]


def _take_cluster_away(world: World, cluster: str) -> None:
    """Deletes a cluster past CloudFormation, and the Fargate profiles that a stage may still have asked for when it was stopped."""
    eks = world.target("eks")

    def deleted() -> bool:
        try:
            for profile in eks.list_fargate_profiles(clusterName=cluster)["fargateProfileNames"]:
                eks.delete_fargate_profile(clusterName=cluster, fargateProfileName=profile)
            eks.delete_cluster(name=cluster)
        except (eks.exceptions.ResourceInUseException, eks.exceptions.ResourceNotFoundException):
            # A profile that is on its way, or that is gone between the two calls.
            return False
        return True

    eventually(deleted, f"deletion of {cluster}", 60)


def _take_vpc_away(world: World, environment: str) -> None:
    """Deletes an environment's VPC with all that is in it, past CloudFormation."""
    ec2, named = world.target("ec2"), [{"Name": "tag:Name", "Values": [environment]}]
    (vpc,) = [v["VpcId"] for v in ec2.describe_vpcs(Filters=named)["Vpcs"]]
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    for subnet in ec2.describe_subnets(Filters=inside)["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for gateway in ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]:
        ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    for group in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]:
        for side in ("ingress", "egress"):
            if rules := group["IpPermissions" if side == "ingress" else "IpPermissionsEgress"]:
                getattr(ec2, f"revoke_security_group_{side}")(GroupId=group["GroupId"], IpPermissions=rules)
    for group in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]:
        if group["GroupName"] != "default":
            ec2.delete_security_group(GroupId=group["GroupId"])
    for table in ec2.describe_route_tables(Filters=inside)["RouteTables"]:
        if not any(a.get("Main") for a in table["Associations"]):
            ec2.delete_route_table(RouteTableId=table["RouteTableId"])
    ec2.delete_vpc(VpcId=vpc)
