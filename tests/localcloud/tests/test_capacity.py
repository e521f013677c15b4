"""Capacity: a new cluster has none; a node group brings nodes if its instances could really join."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest
from conftest import Cloud, StackFailed, Template, role, until
from nodeless import is_ready, pods

from localcloud.extension.eks.kube import KubeClient


def template_resource(**data: Any) -> Template:
    """A launch template as the project has it."""
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3", "Encrypted": True}}
    data = {"MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}, "BlockDeviceMappings": [disk], **data}
    return {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": data}}


def group_resource(env: dict[str, str], **properties: Any) -> Template:
    """A node group with the launch template "Template"."""
    version = {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}
    properties = {
        "ClusterName": "capacity",
        "NodeRole": "arn:aws:iam::111111111111:role/nodes",
        "Subnets": [env["SubnetA"], env["SubnetB"]],
        "AmiType": "BOTTLEROCKET_x86_64",
        "InstanceTypes": ["m5.large"],
        "ScalingConfig": {"MinSize": 1, "DesiredSize": 2, "MaxSize": 3},
        "Labels": {"team": "one"},
        "Tags": {"owner": "me"},
        "LaunchTemplate": {"Id": {"Ref": "Template"}, "Version": version},
        **properties,
    }
    return {"Type": "AWS::EKS::Nodegroup", "Properties": {k: v for k, v in properties.items() if v is not None}}


def test_new_cluster(kube: KubeClient) -> None:
    assert kube.request("GET", "/api/v1/nodes")["items"] == []
    dns = until(lambda: len(found := pods(kube, "kube-system", "k8s-app%3Dkube-dns,eks.amazonaws.com/component%3Dcoredns")) == 2 and found)
    assert {pod["status"]["phase"] for pod in dns} == {"Pending"}
    assert "annotations" not in dns[0]["metadata"]
    for kind, name in (("daemonsets", "aws-node"), ("daemonsets", "kube-proxy"), ("deployments", "coredns")):
        assert kube.get(f"/apis/apps/v1/namespaces/kube-system/{kind}/{name}"), name
    assert kube.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/eks:node-manager")
    assert kube.get("/api/v1/namespaces/kube-system/services/kube-dns")["spec"]["clusterIP"] == "172.20.0.10"


def test_node_group(cloud: Cloud, env: dict[str, str], kube: KubeClient) -> None:
    eks = cloud.client("eks")
    resources = {"Template": template_resource(), "Nodes": group_resource(env)}
    cloud.deploy("nodes", resources, {"Arn": {"Fn::GetAtt": ["Nodes", "Arn"]}})
    (name,) = eks.list_nodegroups(clusterName="capacity")["nodegroups"]
    group = eks.describe_nodegroup(clusterName="capacity", nodegroupName=name)["nodegroup"]
    assert (group["status"], group["amiType"], group["launchTemplate"]["version"]) == ("ACTIVE", "BOTTLEROCKET_x86_64", "1")
    assert group["health"]["issues"] == []
    nodes = kube.request("GET", "/api/v1/nodes")["items"]
    labels = [node["metadata"]["labels"] for node in nodes]
    assert {label["topology.kubernetes.io/zone"] for label in labels} == {"us-east-1a", "us-east-1b"}
    assert {(label["eks.amazonaws.com/nodegroup"], label["node.kubernetes.io/instance-type"]) for label in labels} == {(name, "m5.large")}
    until(lambda: all(map(is_ready, pods(kube, "kube-system"))))
    assert len(pods(kube, "kube-system", "k8s-app%3Daws-node")) == 2

    # EKS let the role in, in both ways.
    entry = eks.describe_access_entry(clusterName="capacity", principalArn="arn:aws:iam::111111111111:role/nodes")["accessEntry"]
    assert (entry["type"], entry["kubernetesGroups"]) == ("EC2_LINUX", ["system:nodes"])
    assert "role/nodes" in kube.get("/api/v1/namespaces/kube-system/configmaps/aws-auth")["data"]["mapRoles"]

    # Scaling, then a new version of the launch template, which replaces every node.
    resources["Nodes"] = group_resource(env, ScalingConfig={"MinSize": 1, "DesiredSize": 1, "MaxSize": 3}, Labels={"team": "two"})
    cloud.deploy("nodes", resources, update=True)
    (left,) = kube.request("GET", "/api/v1/nodes")["items"]
    assert left["metadata"]["labels"]["team"] == "two"
    resources["Template"] = template_resource(EbsOptimized=True)
    cloud.deploy("nodes", resources, update=True)
    (replaced,) = kube.request("GET", "/api/v1/nodes")["items"]
    assert replaced["metadata"]["name"] != left["metadata"]["name"]
    assert replaced["metadata"]["labels"]["eks.amazonaws.com/sourceLaunchTemplateVersion"] == "2"

    # The API, and what is refused.
    with pytest.raises(botocore.exceptions.ClientError, match="nodegroups attached"):
        eks.delete_cluster(name="capacity")
    update = eks.update_nodegroup_config(clusterName="capacity", nodegroupName=name, scalingConfig={"desiredSize": 2})["update"]
    with pytest.raises(botocore.exceptions.ClientError, match="UPDATING"):
        eks.delete_nodegroup(clusterName="capacity", nodegroupName=name)
    query = {"name": "capacity", "nodegroupName": name, "updateId": update["id"]}
    until(lambda: eks.describe_update(**query)["update"]["status"] == "Successful")
    assert len(kube.request("GET", "/api/v1/nodes")["items"]) == 2
    resources["Nodes"] = group_resource(env, ScalingConfig={"MinSize": 1, "DesiredSize": 2, "MaxSize": 3})
    resources["Template"] = template_resource()
    with pytest.raises(StackFailed, match="cannot be combined"):
        cloud.deploy("nodes", resources, update=True)

    assert cloud.delete("nodes") == "DELETE_COMPLETE"
    assert kube.request("GET", "/api/v1/nodes")["items"] == []
    until(lambda: {pod["status"]["phase"] for pod in pods(kube, "kube-system")} == {"Pending"})
    assert eks.describe_access_entry(clusterName="capacity", principalArn="arn:aws:iam::111111111111:role/nodes"), "EKS leaves it"


def test_node_groups_that_cannot_be(cloud: Cloud, env: dict[str, str]) -> None:
    other = {"Fn::GetAtt": ["Role", "Arn"]}
    cases: dict[str, tuple[str, Template, Template]] = {
        "no way out": ("Instances failed to join", {"Subnets": [env["SubnetA"], env["Isolated"]]}, {}),
        "cluster's group left out": ("Instances failed to join", {}, {"SecurityGroupIds": [env["Group"]]}),
        "sizes": ("can't be greater than desired size", {"ScalingConfig": {"MinSize": 2, "DesiredSize": 1, "MaxSize": 3}}, {}),
        "role of another service": ("could not be assumed", {"NodeRole": "arn:aws:iam::111111111111:role/pods"}, {}),
        "role without policies": ("Amazon EKS Managed Policies", {"NodeRole": other}, {}),
        "disk twice": ("Disk size must be specified within the launch template", {"DiskSize": 50}, {}),
        "type twice": ("Instance types must be specified in either", {}, {"InstanceType": "m5.large"}),
        "wrong processor": ("not a valid instance type for requested amiType", {"InstanceTypes": ["m6g.large"]}, {}),
        "no image for the version": ("only supported for kubernetes versions", {"AmiType": "AL2_x86_64"}, {}),
        "unknown subnet": ("does not exist", {"Subnets": ["subnet-0123456789abcdef0"]}, {}),
    }
    names = []
    for number, (case, (_, properties, data)) in enumerate(cases.items()):
        resources = {
            "Role": role("ec2.amazonaws.com"),
            "Template": template_resource(**data),
            "Nodes": group_resource(env, **properties),
        }
        cloud.start_deploy(f"no-nodes-{number}", resources)
        names.append((case, f"no-nodes-{number}"))
    for (case, stack), (text, _, _) in zip(names, cases.values(), strict=True):
        assert cloud.settled(stack)["StackStatus"] == "ROLLBACK_COMPLETE", case
        assert text in cloud.reasons(stack), case
    assert cloud.client("eks").list_nodegroups(clusterName="capacity")["nodegroups"] == []


def test_endpoints_instead_of_a_gateway(cloud: Cloud, env: dict[str, str], kube: KubeClient) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "SourceSecurityGroupId": env["ClusterGroup"]}
    common = {"VpcId": env["Vpc"]}
    resources: Template = {
        "Endpoints": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "endpoints", "VpcId": env["Vpc"], "SecurityGroupIngress": [rule]},
        },
        "s3": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {**common, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [env["OwnTable"]]},
        },
    }
    for service in ("ec2", "ecr.api", "ecr.dkr", "sts"):
        resources[service.replace(".", "")] = {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                **common,
                "ServiceName": f"com.amazonaws.us-east-1.{service}",
                "VpcEndpointType": "Interface",
                "PrivateDnsEnabled": True,
                "SubnetIds": [env["Isolated"]],
                "SecurityGroupIds": [{"Fn::GetAtt": ["Endpoints", "GroupId"]}],
            },
        }
    cloud.deploy("endpoints", resources, {"Dns": {"Fn::Select": [0, {"Fn::GetAtt": ["sts", "DnsEntries"]}]}})
    one = {"MinSize": 1, "DesiredSize": 1, "MaxSize": 1}
    group = group_resource(env, Subnets=[env["Isolated"]], ScalingConfig=one, LaunchTemplate=None, InstanceTypes=["t4g.medium"])
    group["Properties"]["AmiType"] = "AL2023_ARM_64_STANDARD"
    cloud.deploy("private-nodes", {"Nodes": group})
    (node,) = kube.request("GET", "/api/v1/nodes")["items"]
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert cloud.delete("private-nodes") == "DELETE_COMPLETE"
    clash = {"Again": resources["sts"], "Endpoints": resources["Endpoints"]}
    with pytest.raises(StackFailed, match="conflicting DNS domain"):
        cloud.deploy("endpoint-twice", json.loads(json.dumps(clash)))
    assert cloud.delete("endpoints") == "DELETE_COMPLETE"
