"""Fargate: pods that match a profile get a node each, all others wait."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import botocore.exceptions
import pytest
from conftest import Cloud, StackFailed, Template, until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nodeless import DEPLOYMENTS, is_ready, pods

from localcloud.extension.eks.kube import KubeClient, KubeError

PODS = "arn:aws:iam::111111111111:role/pods"


def profile(env: dict[str, str], *namespaces: str, **properties: Any) -> Template:
    """A profile in the private subnets."""
    properties = {
        "ClusterName": "capacity",
        "PodExecutionRoleArn": PODS,
        "Subnets": [env["SubnetA"], env["SubnetB"]],
        "Selectors": [{"Namespace": namespace} for namespace in namespaces],
        **properties,
    }
    return {"Type": "AWS::EKS::FargateProfile", "Properties": properties}


def deployment(name: str, replicas: int = 1, **spec: Any) -> dict[str, Any]:
    """A Deployment whose pods carry the label app."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}}


def running(kube: KubeClient, namespace: str, selector: str, count: int) -> list[dict[str, Any]]:
    """The pods, once so many are Ready."""
    return until(lambda: len(found := [p for p in pods(kube, namespace, selector) if is_ready(p)]) == count and found)


def events(kube: KubeClient, namespace: str, reason: str) -> list[str]:
    """Messages of events."""
    items = kube.request("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3D{reason}")["items"]
    return [item["message"] for item in items]


def test_pods_on_fargate(cloud: Cloud, env: dict[str, str], kube: KubeClient) -> None:
    kube.request("POST", DEPLOYMENTS, deployment("early"))
    until(lambda: len(pods(kube, "default", "app%3Dearly")) == 1)
    resources: Template = {
        "One": profile(env, "default", "kube-*"),
        "Two": profile(env, "other") | {"DependsOn": "One"},
    }
    cloud.deploy("profiles", resources)

    # Who was there before waits on, until it is made anew.
    (early,) = pods(kube, "default", "app%3Dearly")
    assert (early["status"]["phase"], early["spec"]["schedulerName"]) == ("Pending", "default-scheduler")
    kube.request("DELETE", f"/api/v1/namespaces/default/pods/{early['metadata']['name']}")
    (again,) = running(kube, "default", "app%3Dearly", 1)
    assert again["spec"]["schedulerName"] == "fargate-scheduler"
    assert again["metadata"]["annotations"]["Logging"] == "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND"
    assert until(lambda: events(kube, "default", "LoggingDisabled"))
    assert {p["status"]["phase"] for p in pods(kube, "kube-system", "k8s-app%3Dkube-dns")} == {"Pending"}
    restart = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
    dns = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    kube.request("PATCH", dns, restart, "application/strategic-merge-patch+json")
    running(kube, "kube-system", "k8s-app%3Dkube-dns", 2)

    # A node each, for Fargate alone, which goes with its pod.
    kube.request("POST", DEPLOYMENTS, deployment("late", 2))
    late = running(kube, "default", "app%3Dlate", 2)
    names = {pod["spec"]["nodeName"] for pod in late}
    assert len(names) == 2
    node = kube.get(f"/api/v1/nodes/{names.pop()}")
    assert node["metadata"]["name"].startswith("fargate-ip-10-30-")
    assert node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "fargate"
    assert {"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"} in node["spec"]["taints"]
    kube.request("DELETE", f"{DEPLOYMENTS}/late")
    until(lambda: kube.get(f"/api/v1/nodes/{node['metadata']['name']}") is None)
    assert pods(kube, "kube-system", "k8s-app%3Daws-node") == [], "DaemonSets are not for Fargate"

    # Who is not taken: the annotated, and those in other namespaces; and who cannot be run.
    annotated = deployment("annotated")
    annotated["spec"]["template"]["metadata"]["annotations"] = {"eks.amazonaws.com/compute-type": "ec2"}
    kube.request("POST", DEPLOYMENTS, annotated)
    kube.request("POST", DEPLOYMENTS, deployment("host", hostNetwork=True))
    assert until(lambda: any("HostNetwork" in m for m in events(kube, "default", "FailedScheduling")))
    (waiting,) = until(lambda: pods(kube, "default", "app%3Dannotated"))
    assert waiting["spec"]["schedulerName"] == "default-scheduler"
    for name in ("annotated", "host"):
        kube.request("DELETE", f"{DEPLOYMENTS}/{name}")

    # Logging counts for pods made after it was set up.
    space = {"metadata": {"name": "aws-observability", "labels": {"aws-observability": "enabled"}}}
    kube.request("POST", "/api/v1/namespaces", space)
    config = {"metadata": {"name": "aws-logging"}, "data": {"flb_log_cw": "false"}}
    kube.request("POST", "/api/v1/namespaces/aws-observability/configmaps", config)
    kube.request("POST", DEPLOYMENTS, deployment("logged"))
    (logged,) = running(kube, "default", "app%3Dlogged", 1)
    assert logged["metadata"]["annotations"]["Logging"] == "LoggingEnabled"

    eks = cloud.client("eks")
    assert eks.describe_access_entry(clusterName="capacity", principalArn=PODS)["accessEntry"]["type"] == "FARGATE_LINUX"
    with pytest.raises(StackFailed, match="not a private subnet"):
        cloud.deploy("public-profile", {"Three": profile(env, "three", Subnets=[env["Public"]])})


def test_controller_that_is_held_back(cloud: Cloud, env: dict[str, str], kube: KubeClient) -> None:
    issuer = cloud.client("eks").describe_cluster(name="capacity")["cluster"]["identity"]["oidc"]["issuer"]
    host = issuer.removeprefix("https://")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::111111111111:oidc-provider/{host}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": "system:serviceaccount:default:lb"}},
            }
        ],
    }
    statement = [{"Effect": "Allow", "Action": ["elasticloadbalancing:Describe*", "ec2:DescribeVpcs"], "Resource": "*"}]
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": statement}}
    resources: Template = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "lb", "AssumeRolePolicyDocument": trust, "Policies": [policy]}},
    }
    cloud.deploy("lb", resources)
    account = {"metadata": {"name": "lb", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111111111111:role/lb"}}}
    kube.request("POST", "/api/v1/namespaces/default/serviceaccounts", account)

    def start(*arguments: str) -> None:
        wanted = deployment("lb", serviceAccountName="lb")
        template = wanted["spec"]["template"]
        template["metadata"]["labels"]["localcloud.gate"] = "aws-load-balancer-controller"
        template["spec"]["containers"][0]["args"] = list(arguments)
        kube.apply(f"{DEPLOYMENTS}/lb", {"apiVersion": "apps/v1", "kind": "Deployment", **wanted})

    def held(text: str) -> Any:
        return until(
            lambda: any(
                text in (c["state"].get("waiting") or {}).get("message", "")
                for p in pods(kube, "default", "app%3Dlb")
                for c in p["status"].get("containerStatuses", [])
            )
        )

    good = ["--cluster-name=capacity", "--aws-region=us-east-1", f"--aws-vpc-id={env['Vpc']}"]
    start(*good[:2])
    assert held("--aws-vpc-id is missing")
    start("--cluster-name=other", *good[1:])
    assert held("the cluster's is capacity")
    start(*good)
    assert held("No OpenIDConnect provider")
    resources["Provider"] = {"Type": "AWS::IAM::OIDCProvider", "Properties": {"Url": issuer, "ClientIdList": ["sts.amazonaws.com"]}}
    cloud.deploy("lb", resources, update=True)
    (pod,) = running(kube, "default", "app%3Dlb", 1)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in [v["name"] for v in pod["spec"]["containers"][0]["env"]]


def test_webhook_answers_once_its_pods_are_ready(kube: KubeClient) -> None:
    service = {"metadata": {"name": "hook"}, "spec": {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 9443}]}}
    kube.request("POST", "/api/v1/namespaces/default/services", service)
    secret, authority = _certificate("hook.default.svc")
    kube.request("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "hook"}, "type": "kubernetes.io/tls", "data": secret})
    webhook = {
        "name": "services.example.com",
        "clientConfig": {"caBundle": authority, "service": {"name": "hook", "namespace": "default", "path": "/mutate"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}],
    }
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    kube.request("POST", path, {"metadata": {"name": "hook"}, "webhooks": [webhook]})

    def create() -> str:
        try:
            body = {"metadata": {"generateName": "s-"}, "spec": {"ports": [{"port": 80}]}}
            kube.request("POST", "/api/v1/namespaces/default/services", body)
        except KubeError as error:
            return str(error)
        return ""

    assert until(lambda: "no endpoints available for service" in create())
    hook = deployment("hook", volumes=[{"name": "cert", "secret": {"secretName": "hook"}}])
    hook["spec"]["template"]["metadata"]["labels"]["localcloud.gate"] = "hook"
    kube.request("POST", DEPLOYMENTS, hook)
    running(kube, "default", "app%3Dhook", 1)
    until(lambda: create() == "")
    kube.request("DELETE", f"{path}/hook")


def test_profile_takes_its_pods_along(cloud: Cloud, kube: KubeClient) -> None:
    eks = cloud.client("eks")
    with pytest.raises(botocore.exceptions.ClientError, match="Fargate profiles"):
        eks.delete_cluster(name="capacity")
    assert cloud.delete("profiles") == "DELETE_COMPLETE"
    until(lambda: kube.request("GET", "/api/v1/nodes")["items"] == [])
    assert until(lambda: pods(kube, "default", "app%3Dearly"))[0]["status"]["phase"] == "Pending"


def _certificate(name: str) -> tuple[dict[str, str], str]:
    """The data of a TLS Secret for a name, and the bundle that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"tls.crt": public, "tls.key": base64.b64encode(private).decode()}, public
