"""What a node group asks for: its checks at creation, with a launch template or without.

https://docs.aws.amazon.com/eks/latest/userguide/launch-templates.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import ec2, iam

from localcloud.extension.eks import nodes
from localcloud.extension.eks.errors import invalid

Group = dict[str, Any]
_WORKER = "AmazonEKSWorkerNodePolicy"
_CNI = "AmazonEKS_CNI_Policy"
_REGISTRY = ("AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly", "AmazonEC2ContainerRegistryPowerUser")
_LAST_AL2 = (1, 32)


def check_role(arn: str) -> None:
    """Refuse a role that EC2 cannot give to nodes."""
    role = iam._roles.get(arn.rpartition("/")[2])
    if role is None or role["Arn"] != arn or "ec2.amazonaws.com" not in str(role.get("AssumeRolePolicyDocument")):
        raise invalid(f"Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct")
    if _WORKER not in _policies(arn):
        raise invalid(
            "The provided role doesn't have the Amazon EKS Managed Policies associated with it. "
            f"Please ensure the following policies [{_WORKER}, {_CNI}] are attached"
        )


def lacking(arn: str) -> list[str]:
    """What the role's nodes cannot do, so that they never become Ready."""
    attached = _policies(arn)
    problems = [] if _CNI in attached else [f"the role lacks {_CNI}"]
    return problems if attached & set(_REGISTRY) else [*problems, f"the role lacks one of {', '.join(_REGISTRY)}"]


def _policies(arn: str) -> set[str]:
    role = iam._roles.get(arn.rpartition("/")[2]) or {}
    return {policy.rpartition("/")[2] for policy in role.get("AttachedPolicies", [])}


def check_scaling(scaling: dict[str, int]) -> None:
    """Refuse sizes that no group can have."""
    low, wanted, high = scaling["minSize"], scaling["desiredSize"], scaling["maxSize"]
    if low < 0 or high < 1:
        raise invalid("Minimum capacity must be at least 0 and maximum capacity at least 1")
    if low > high:
        raise invalid(f"Minimum capacity {low} can't be greater than maximum size {high}")
    if low > wanted:
        raise invalid(f"Minimum capacity {low} can't be greater than desired size {wanted}")
    if wanted > high:
        raise invalid(f"Desired capacity {wanted} can't be greater than max size {high}")


def resolve(body: dict[str, Any], version: str) -> Group:
    """Instance types, AMI type, disk and launch template as the group will have them."""
    template = body.get("launchTemplate")
    types, ami = list(body.get("instanceTypes") or []), body.get("amiType")
    fields: Group = {}
    if template:
        data, reference = find(template)
        _check_template(data, body)
        fields["launchTemplate"] = reference
        if data.get("InstanceType"):
            types = [data["InstanceType"]]
        if data.get("ImageId"):
            ami = "CUSTOM"
    else:
        fields["diskSize"] = int(body.get("diskSize") or 20)
    fields["instanceTypes"] = types or ["t3.medium"]
    fields["amiType"] = ami or "AL2023_x86_64_STANDARD"
    _check_image(fields["amiType"], fields["instanceTypes"], version)
    return fields


def find(reference: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The data of a launch template's version, and the full reference to it."""
    if bool(reference.get("id")) == bool(reference.get("name")):
        raise invalid("You must specify either the launch template ID or the launch template name in the request, but not both.")
    record = ec2._launch_templates.get(reference.get("id") or "") or next(
        (t for t in ec2._launch_templates.values() if t["LaunchTemplateName"] == reference.get("name")), None
    )
    if record is None:
        raise invalid(f"Launch template {reference.get('id') or reference.get('name')} does not exist (Ec2LaunchTemplateNotFound)")
    named = {"$Latest": record["LatestVersionNumber"], "$Default": record["DefaultVersionNumber"]}
    wanted = str(reference.get("version") or "$Default")
    number = str(named.get(wanted, wanted))
    version = next((v for v in record["Versions"] if str(v["VersionNumber"]) == number), None)
    if version is None:
        raise invalid(f"Launch template {record['LaunchTemplateName']} has no version {wanted} (Ec2LaunchTemplateVersionNotFound)")
    identity = {"id": record["LaunchTemplateId"], "name": record["LaunchTemplateName"], "version": number}
    return version["LaunchTemplateData"], identity


def groups(template: dict[str, str] | None, cluster_group: str) -> set[str]:
    """The security groups of a node: those of the launch template if it names any, else the cluster's."""
    data = find({"id": template["id"], "version": template["version"]})[0] if template else {}
    own = set(data.get("SecurityGroupIds") or [])
    for interface in data.get("NetworkInterfaces") or []:
        own.update(interface.get("Groups") or [])
    return own or {cluster_group}


def _check_template(data: dict[str, Any], body: dict[str, Any]) -> None:
    if body.get("diskSize"):
        raise invalid("Disk size must be specified within the launch template.")
    if body.get("remoteAccess"):
        raise invalid("Remote access configuration cannot be specified with a launch template.")
    if body.get("instanceTypes") and data.get("InstanceType"):
        raise invalid("Instance types must be specified in either the launch template or the node group, but not both.")
    if data.get("IamInstanceProfile"):
        raise invalid("The launch template must not specify an IAM instance profile: the node group's node role is used.")
    if any(i.get("SubnetId") for i in data.get("NetworkInterfaces") or []):
        raise invalid("The launch template must not specify subnets: the node group's subnets are used.")
    if data.get("InstanceMarketOptions"):
        raise invalid("The launch template must not specify instance market options: use the node group's capacity type.")
    if data.get("ImageId"):
        for name in ("amiType", "version", "releaseVersion"):
            if body.get(name) and body[name] != "CUSTOM":
                raise invalid(f"You cannot specify the field {name} when the launch template specifies a custom AMI.")


def _check_image(ami: str, types: list[str], version: str) -> None:
    if ami.startswith("AL2_") and tuple(map(int, version.split("."))) > _LAST_AL2:
        raise invalid(f"AMI Type {ami} is only supported for kubernetes versions 1.32 or earlier")
    if ami == "CUSTOM":
        return
    wrong = [t for t in types if nodes.arm(t) != ("ARM_64" in ami.upper())]
    if wrong:
        raise invalid(f"[{', '.join(wrong)}] is not a valid instance type for requested amiType {ami}")
