"""An environment is removed without a trace."""

from __future__ import annotations

import pytest

from demo import given
from demo.cloud import Cloud
from e2e.provider import Provider, example
from e2e.removal import LIVES, Life, deletion, together, traces
from e2e.world import World
from localcloud import snapshot


@pytest.mark.parametrize("kind", LIVES)
def test_deletion_says_what_it_removed(life: Life, kind: str) -> None:
    result = life.removed[kind].succeeded().result
    name = LIVES[kind]["name"]
    assert (result["status"], result["operation"], result["environment"]) == ("SUCCEEDED", "delete", f"opa-{name}")
    assert result["changed"] is True
    stacks = {line.removeprefix(f"stack EKS-ENV-opa-{name}-") for line in result["removed"] if line.startswith("stack ")}
    assert stacks == {"Kubectl", "AddonRoles", "Capacity", "Cluster", "Egress", "Network", "Identity", "Stack"}
    assert result["orphaned"] == []
    assert sorted(kept["what"].split()[0] for kept in result["kept"]) == ["KMS", "KMS"]
    assert all("KMS deletes it on 20" in kept["why"] for kept in result["kept"])


def test_accounts_are_as_before(life: Life) -> None:
    for removed in life.removed.values():
        removed.succeeded()
    assert traces(life.before, life.after) == []


def test_nothing_runs_after_it(provider: Provider, life: Life) -> None:
    for request in life.requests.values():
        assert provider.holder(request) is None
        assert [(row["operation"], row["status"]) for row in provider.past(request)][:2] == [("apply", "SUCCEEDED"), ("delete", "SUCCEEDED")]


def test_deleting_again_finds_nothing_but_keys_that_kms_has_not_deleted_yet(provider: Provider, world: World, life: Life) -> None:
    before = snapshot.take(world.layout)
    documented = example("delete", **LIVES["fargate"])
    # Asked for twice at once, the second waits for the first.
    asked = {"fargate": documented, "managed-nodes": deletion(life.requests["managed-nodes"]), "fargate again": documented}
    for kind, execution in zip(asked, together(provider, list(asked.values())), strict=True):
        result = execution.succeeded().result
        assert (result["changed"], result["removed"], result["orphaned"]) == (False, [], [])
        # No stack tells of the keys any more, and the result says of them what the first one did.
        first = {line["what"]: line["why"] for line in life.removed[kind.removesuffix(" again")].result["kept"]}
        again = {line["what"]: line["why"] for line in result["kept"]}
        assert again | first == again
        assert {what.split()[0] for what in again} == {"KMS"}
    assert traces(before, snapshot.take(world.layout)) == []


def test_vpc_of_others_is_as_before(cloud: Cloud, provider: Provider, world: World) -> None:
    # Managed nodes, so that a node group and its instances come and go in it too.
    request = given.provide(cloud, example("shared-vpc", name="tenant", clusterAdminRole=None))
    ec2 = world.target("ec2")
    database = ec2.create_security_group(GroupName="database", Description="of another team", VpcId=request["vpcId"])["GroupId"]
    before = world.network()
    provider.run(request).succeeded()
    assert snapshot.differences(before, {key: value for key, value in world.network().items() if key in before}) != []  # tags were asked for
    traffic = _group_that_another_names(ec2, request["vpcId"], database)
    result = provider.run(deletion(request)).succeeded().result
    # The rule in another team's group is theirs to take away.
    (left,) = result["orphaned"]
    assert left["what"] == f"security group {traffic}"
    assert database in left["why"]
    assert f"aws ec2 delete-security-group --group-id {traffic}" in left["why"]
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": traffic}]}
    ec2.revoke_security_group_ingress(GroupId=database, IpPermissions=[permission])
    # What was orphaned is found again, also without the environment.
    again = provider.run(deletion(request)).succeeded().result
    assert (again["removed"], again["orphaned"]) == ([f"security group {traffic}"], [])
    after = world.network()
    # MiniStack keeps the tags of what is gone; nothing can be read by them.
    new = {key for key in after.keys() - before.keys() if not key.startswith("ec2._tags/")}
    assert snapshot.differences(before, {key: value for key, value in after.items() if key in before or key in new}) == []


def _group_that_another_names(ec2: object, vpc: str, database: str) -> str:
    """A group as the load balancer controller makes it, which a rule of another team's group admits."""
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "elbv2.k8s.aws/cluster", "Value": "opa-tenant-cluster"}]}]
    group = ec2.create_security_group(GroupName="k8s-traffic-tenant", Description="shared", VpcId=vpc, TagSpecifications=tags)["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=database, IpPermissions=[permission])
    return group
