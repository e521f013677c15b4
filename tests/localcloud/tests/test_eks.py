"""EKS: a cluster is a real control plane, and tokens mean what they mean on EKS."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest
from conftest import Cloud, StackFailed, role, until
from nodeless import cluster_resources

OUTPUTS = {
    name: {"Fn::GetAtt": ["Cluster", name]}
    for name in (
        "Arn",
        "Endpoint",
        "CertificateAuthorityData",
        "ClusterSecurityGroupId",
        "OpenIdConnectIssuerUrl",
        "EncryptionConfigKeyArn",
    )
}


def assume(cloud: Cloud, name: str, session: str = "tester") -> dict[str, str]:
    """Keys of a session of a role."""
    arn = f"arn:aws:iam::111111111111:role/{name}"
    keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


def token(keys: dict[str, str], cluster: str, host: str = "sts.us-east-1.amazonaws.com") -> str:
    """A bearer token as `aws eks get-token` makes it."""
    request = botocore.awsrequest.AWSRequest(
        "GET", f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15", headers={"x-k8s-aws-id": cluster}
    )
    credentials = botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token"))
    botocore.auth.SigV4QueryAuth(credentials, "sts", "us-east-1", expires=60).add_auth(request)
    return "k8s-aws-v1." + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")


def ask(outputs: dict[str, str], bearer: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and document of a request to a cluster's API server, whose certificate is verified."""
    tls = ssl.create_default_context(cadata=base64.b64decode(outputs["CertificateAuthorityData"]).decode())
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    request = urllib.request.Request(outputs["Endpoint"] + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, context=tls, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def clusters(cloud: Cloud, network: dict[str, str], control_plane_binary: Any) -> dict[str, dict[str, str]]:
    """Two clusters, created side by side."""
    for name in ("one", "two"):
        cloud.start_deploy(name, cluster_resources(network, name), OUTPUTS)
    assert cloud.client("eks").list_clusters()["clusters"] is not None  # not held up by the creation
    # Creation is really in progress, in the stack and in EKS.
    until(lambda: "one" in cloud.client("eks").list_clusters()["clusters"])
    assert cloud.client("eks").describe_cluster(name="one")["cluster"]["status"] == "CREATING"
    assert cloud.client("cloudformation").describe_stacks(StackName="one")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    outputs = {}
    for name in ("one", "two"):
        stack = cloud.settled(name)
        assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(name)
        outputs[name] = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    return outputs


def test_cluster_is_described_as_it_was_asked_for(cloud: Cloud, clusters: dict, network: dict[str, str]) -> None:
    cluster = cloud.client("eks").describe_cluster(name="one")["cluster"]
    assert cluster["status"] == "ACTIVE"
    vpc = cluster["resourcesVpcConfig"]
    assert (vpc["vpcId"], vpc["securityGroupIds"]) == (network["Vpc"], [network["Group"]])
    assert (vpc["endpointPublicAccess"], vpc["endpointPrivateAccess"]) == (False, True)
    assert cluster["accessConfig"]["authenticationMode"] == "API_AND_CONFIG_MAP"
    assert cluster["encryptionConfig"][0]["provider"]["keyArn"] == clusters["one"]["EncryptionConfigKeyArn"]
    assert cluster["logging"]["clusterLogging"][0] == {"types": ["api", "audit"], "enabled": True}
    assert cluster["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "10.96.0.0/16"
    assert clusters["one"]["OpenIdConnectIssuerUrl"].startswith("https://oidc.eks.us-east-1.amazonaws.com/id/")
    groups = cloud.client("ec2").describe_security_groups(GroupIds=[clusters["one"]["ClusterSecurityGroupId"]])["SecurityGroups"]
    assert groups[0]["VpcId"] == network["Vpc"]


def test_administrator_by_access_entry(cloud: Cloud, clusters: dict) -> None:
    for name in ("one", "two"):
        bearer = token(assume(cloud, f"{name}-admin"), name)
        status, nodes = ask(clusters[name], bearer, "/api/v1/nodes")
        assert (status, nodes["items"]) == (200, [])
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        status, who = ask(clusters[name], bearer, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        assert who["status"]["userInfo"]["username"] == f"arn:aws:iam::111111111111:role/{name}-admin"


def test_tokens_that_are_refused(cloud: Cloud, clusters: dict) -> None:
    keys = assume(cloud, "one-admin")
    stranger = {name: cloud.env[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    cases = {
        "made for another cluster": token(keys, "two"),
        "presigned for a host that is not AWS": token(keys, "one", "sts.example.com"),
        "signed with another key": token({**keys, "aws_secret_access_key": "x" * 40}, "one"),
        "of a principal without an entry": token(stranger, "one"),
        "not a token": "k8s-aws-v1.xyz",
    }
    for case, bearer in cases.items():
        assert ask(clusters["one"], bearer, "/api/v1/nodes")[0] == 401, case
    assert ask(clusters["two"], token(keys, "two"), "/api/v1/nodes")[0] == 401, "administrator of the other cluster"


def test_principals_of_aws_auth(cloud: Cloud, clusters: dict) -> None:
    cloud.deploy("mapped", {"Mapped": cluster_resources({"SubnetA": "", "SubnetB": "", "Group": ""}, "mapped")["Admin"]})
    admin = token(assume(cloud, "one-admin"), "one")
    mapping = [{"rolearn": "arn:aws:iam::111111111111:role/mapped-admin", "username": "m:{{SessionName}}", "groups": ["viewers"]}]
    config_map = {"metadata": {"name": "aws-auth"}, "data": {"mapRoles": json.dumps(mapping)}}
    status, _ = ask(clusters["one"], admin, "/api/v1/namespaces/kube-system/configmaps", config_map)
    assert status == 201
    bearer = token(assume(cloud, "mapped-admin", "someone"), "one")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, who = ask(clusters["one"], bearer, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert status == 201, who
    assert who["status"]["userInfo"]["username"] == "m:someone"
    assert set(who["status"]["userInfo"]["groups"]) == {"viewers", "system:authenticated"}
    assert ask(clusters["one"], bearer, "/api/v1/nodes")[0] == 403, "known, but without rights"


def test_service_accounts_have_the_issuer_of_the_cluster(cloud: Cloud, clusters: dict) -> None:
    bearer = token(assume(cloud, "one-admin"), "one")
    status, document = ask(clusters["one"], bearer, "/.well-known/openid-configuration")
    assert (status, document["issuer"]) == (200, clusters["one"]["OpenIdConnectIssuerUrl"])


def test_updates(cloud: Cloud, network: dict[str, str], clusters: dict) -> None:
    eks = cloud.client("eks")
    with pytest.raises(botocore.exceptions.ClientError, match="No changes needed for the logging config"):
        eks.update_cluster_config(name="two", logging={"clusterLogging": [{"types": ["api"], "enabled": True}]})
    with pytest.raises(botocore.exceptions.ClientError, match="Only one type of update"):
        eks.update_cluster_config(name="two", logging={"clusterLogging": []}, accessConfig={"authenticationMode": "API"})
    with pytest.raises(botocore.exceptions.ClientError, match=r"minor version update from 1\.36 to 1\.34"):
        eks.update_cluster_version(name="two", version="1.34")
    update = eks.update_cluster_version(name="two", version="1.37")["update"]
    assert update["status"] == "InProgress"
    with pytest.raises(botocore.exceptions.ClientError, match="UPDATING"):
        eks.update_cluster_config(name="two", logging={"clusterLogging": [{"types": ["api"], "enabled": False}]})
    until(lambda: eks.describe_update(name="two", updateId=update["id"])["update"]["status"] == "Successful")
    assert eks.describe_cluster(name="two")["cluster"]["version"] == "1.37"
    assert eks.list_updates(name="two")["updateIds"] == [update["id"]]


def test_stack_updates(cloud: Cloud, network: dict[str, str], clusters: dict) -> None:
    resources = cluster_resources(network, "one")
    properties = resources["Cluster"]["Properties"]
    properties["Logging"] = {"ClusterLogging": {"EnabledTypes": []}}
    resources["Entry"]["Properties"]["KubernetesGroups"] = ["operators"]
    cloud.deploy("one", resources, OUTPUTS, update=True)
    assert cloud.client("eks").describe_cluster(name="one")["cluster"]["logging"]["clusterLogging"][0]["enabled"] is False
    entry = cloud.client("eks").describe_access_entry(clusterName="one", principalArn="arn:aws:iam::111111111111:role/one-admin")
    assert entry["accessEntry"]["kubernetesGroups"] == ["operators"]
    properties["KubernetesNetworkConfig"] = {"ServiceIpv4Cidr": "10.97.0.0/16"}
    with pytest.raises(StackFailed, match="custom-named"):
        cloud.deploy("one", resources, OUTPUTS, update=True)
    del properties["Logging"]
    properties["KubernetesNetworkConfig"] = {"ServiceIpv4Cidr": "10.96.0.0/16"}
    with pytest.raises(StackFailed, match="No changes needed for the logging config"):
        cloud.deploy("one", resources, OUTPUTS, update=True)


def test_versions(cloud: Cloud) -> None:
    eks = cloud.client("eks")
    standard = eks.describe_cluster_versions(versionStatus="STANDARD_SUPPORT")["clusterVersions"]
    assert [v["clusterVersion"] for v in standard] == ["1.37", "1.36", "1.35", "1.34"]
    assert [v["clusterVersion"] for v in eks.describe_cluster_versions(defaultOnly=True)["clusterVersions"]] == ["1.36"]


def test_cluster_that_cannot_be(cloud: Cloud, network: dict[str, str]) -> None:
    one_zone = {"SubnetIds": [network["SubnetA"]]}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "one zone": ({"ResourcesVpcConfig": one_zone}, "two different AZs"),
        "unknown version": ({"Version": "1.29"}, "unsupported Kubernetes version"),
        "number for a version": ({"Version": 1.3}, "keyword \\[pattern\\]"),
        "role of another service": ({"RoleArn": {"Fn::GetAtt": ["Admin", "Arn"]}}, "could not be assumed"),
    }
    for number, (case, (properties, text)) in enumerate(cases.items()):
        with pytest.raises(StackFailed, match=text):
            cloud.deploy(f"bad-{number}", cluster_resources(network, f"bad-{number}", **properties), OUTPUTS)
            pytest.fail(case)


def test_attribute_that_aws_does_not_have(cloud: Cloud, network: dict[str, str], clusters: dict) -> None:
    resources = {
        "Param": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::GetAtt": ["Entry", "Username"]}}},
        "Entry": {
            "Type": "AWS::EKS::AccessEntry",
            "Properties": {"ClusterName": "one", "PrincipalArn": "arn:aws:iam::111111111111:role/two-admin"},
        },
    }
    with pytest.raises(StackFailed):
        cloud.deploy("attribute", resources)


def test_fargate_profile_and_addon(cloud: Cloud, network: dict[str, str], clusters: dict) -> None:
    resources = {
        "Pods": role("eks-fargate-pods.amazonaws.com"),
        "Profile": {
            "Type": "AWS::EKS::FargateProfile",
            "Properties": {
                "ClusterName": "one",
                "PodExecutionRoleArn": {"Fn::GetAtt": ["Pods", "Arn"]},
                "Subnets": [network["SubnetA"]],
                "Selectors": [{"Namespace": "default", "Labels": [{"Key": "a", "Value": "b"}]}],
            },
        },
        "Addon": {"Type": "AWS::EKS::Addon", "Properties": {"ClusterName": "one", "AddonName": "coredns"}},
    }
    cloud.deploy("fargate", resources)
    eks = cloud.client("eks")
    (name,) = eks.list_fargate_profiles(clusterName="one")["fargateProfileNames"]
    assert eks.describe_fargate_profile(clusterName="one", fargateProfileName=name)["fargateProfile"]["status"] == "ACTIVE"
    assert eks.list_addons(clusterName="one")["addons"] == ["coredns"]
    with pytest.raises(botocore.exceptions.ClientError, match="Fargate profiles"):
        eks.delete_cluster(name="one")
    resources["Profile"]["Properties"]["Selectors"] = [{"Namespace": "apps"}]
    cloud.deploy("fargate", resources, update=True)
    (replaced,) = eks.list_fargate_profiles(clusterName="one")["fargateProfileNames"]
    assert replaced != name
    assert cloud.delete("fargate") == "DELETE_COMPLETE"
    assert eks.list_fargate_profiles(clusterName="one")["fargateProfileNames"] == []


def test_deleting_a_stack_ends_its_control_plane(cloud: Cloud, clusters: dict) -> None:
    directory = cloud.layout.clusters / "two"
    assert directory.exists()
    assert (directory / "audit.log").stat().st_size > 0
    assert cloud.delete("two") == "DELETE_COMPLETE"
    assert not directory.exists()
    assert "two" not in cloud.client("eks").list_clusters()["clusters"]
