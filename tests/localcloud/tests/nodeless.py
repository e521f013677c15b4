"""A cluster without nodes in a network with and without a way out, and helpers to look into it."""

from __future__ import annotations

from typing import Any

from conftest import Cloud, Template, role

from localcloud.extension.eks.kube import KubeClient

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
MANAGED = "arn:aws:iam::aws:policy/"
NODE_POLICIES = [f"{MANAGED}{name}" for name in ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly")]
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def cluster_resources(network: dict[str, str], name: str, **properties: Any) -> dict[str, Any]:
    """A cluster as the project's template has it, its role, its key, and an administrator."""
    return {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}},
        "Role": role("eks.amazonaws.com"),
        "Admin": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": f"{name}-admin",
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": {"AWS": {"Ref": "AWS::AccountId"}}, "Action": "sts:AssumeRole"}],
                },
            },
        },
        "Cluster": {
            "Type": "AWS::EKS::Cluster",
            "Properties": {
                "Name": name,
                "Version": "1.36",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "ResourcesVpcConfig": {
                    "SubnetIds": [network["SubnetA"], network["SubnetB"]],
                    "SecurityGroupIds": [network["Group"]],
                    "EndpointPrivateAccess": "true",
                    "EndpointPublicAccess": "false",
                },
                "AccessConfig": {"AuthenticationMode": "API_AND_CONFIG_MAP", "BootstrapClusterCreatorAdminPermissions": False},
                "EncryptionConfig": [{"Provider": {"KeyArn": {"Fn::GetAtt": ["Key", "Arn"]}}, "Resources": ["secrets"]}],
                "Logging": {"ClusterLogging": {"EnabledTypes": [{"Type": "api"}, {"Type": "audit"}]}},
                "KubernetesNetworkConfig": {"ServiceIpv4Cidr": "10.96.0.0/16"},
                **properties,
            },
        },
        "Entry": {
            "Type": "AWS::EKS::AccessEntry",
            "Properties": {
                "ClusterName": {"Ref": "Cluster"},
                "PrincipalArn": {"Fn::GetAtt": ["Admin", "Arn"]},
                "Username": {"Fn::GetAtt": ["Admin", "Arn"]},
                "AccessPolicies": [{"PolicyArn": ADMIN, "AccessScope": {"Type": "cluster"}}],
            },
        },
    }


def _subnet(number: int, zone: str) -> Template:
    properties = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": f"10.30.{number * 16}.0/20", "AvailabilityZone": f"us-east-1{zone}"}
    return {"Type": "AWS::EC2::Subnet", "Properties": properties}


def _association(subnet: str, table: str) -> Template:
    return {"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": {"SubnetId": {"Ref": subnet}, "RouteTableId": {"Ref": table}}}


NETWORK: Template = {
    "Vpc": {
        "Type": "AWS::EC2::VPC",
        "Properties": {"CidrBlock": "10.30.0.0/16", "EnableDnsSupport": True, "EnableDnsHostnames": True},
    },
    "Gateway": {"Type": "AWS::EC2::InternetGateway"},
    "Attachment": {
        "Type": "AWS::EC2::VPCGatewayAttachment",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
    },
    "Public": _subnet(0, "a"),
    "SubnetA": _subnet(1, "a"),
    "SubnetB": _subnet(2, "b"),
    "Isolated": _subnet(3, "c"),
    "Address": {"Type": "AWS::EC2::EIP", "DependsOn": "Attachment", "Properties": {"Domain": "vpc"}},
    "Nat": {
        "Type": "AWS::EC2::NatGateway",
        "Properties": {"SubnetId": {"Ref": "Public"}, "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}},
    },
    "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "Route": {
        "Type": "AWS::EC2::Route",
        "Properties": {"RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": {"Ref": "Nat"}},
    },
    "RouteOfA": _association("SubnetA", "Table"),
    "RouteOfB": _association("SubnetB", "Table"),
    "PublicTable": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "PublicRoute": {
        "Type": "AWS::EC2::Route",
        "DependsOn": "Attachment",
        "Properties": {"RouteTableId": {"Ref": "PublicTable"}, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "Gateway"}},
    },
    "RouteOfPublic": _association("Public", "PublicTable"),
    "OwnTable": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "RouteOfIsolated": _association("Isolated", "OwnTable"),
    "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "control plane", "VpcId": {"Ref": "Vpc"}}},
    "NodeRole": role("ec2.amazonaws.com", RoleName="nodes", ManagedPolicyArns=NODE_POLICIES),
    "PodRole": role("eks-fargate-pods.amazonaws.com", RoleName="pods"),
}


def deploy(cloud: Cloud) -> dict[str, str]:
    """The network, the roles and the cluster "capacity"; ids by logical name."""
    names = ("Vpc", "Public", "SubnetA", "SubnetB", "Isolated", "Group", "OwnTable")
    outputs = cloud.deploy("capacity-network", NETWORK, {name: {"Ref": name} for name in names})
    cluster = cluster_resources(outputs, "capacity")
    return outputs | cloud.deploy("capacity", cluster, {"ClusterGroup": {"Fn::GetAtt": ["Cluster", "ClusterSecurityGroupId"]}})


def pods(kube: KubeClient, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    """Pods that are not being deleted."""
    items = kube.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the pod is Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
