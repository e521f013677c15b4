"""EKS types of CloudFormation: AccessEntry, Addon, Cluster, FargateProfile, Nodegroup."""

from __future__ import annotations

from typing import Any

from ministack.services import eks
from ministack.services.cloudformation import provisioners

from localcloud.extension.eks import access, clusters, fargate, nodegroups
from localcloud.extension.eks.clusters import Clusters
from localcloud.extension.eks.errors import EksError, answer, invalid
from localcloud.extension.eks.fargate import FargateProfiles
from localcloud.extension.eks.nodegroups import NodeGroups
from localcloud.extension.resource import Properties, Resource, tag_list, tags_of

_camel = provisioners._pascal_to_camel


def _pascal(value: Any) -> Any:
    """The inverse of _camel, for structures without free keys."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: _pascal(member) for name, member in value.items()}
    return [_pascal(member) for member in value] if isinstance(value, list) else value


def _retag(arn: str, record: dict[str, Any], new: Properties) -> None:
    record["tags"] = tags_of(new)
    eks._tags[arn] = tags_of(new)


class Cluster(Resource):
    """AWS::EKS::Cluster."""

    type = "AWS::EKS::Cluster"
    _PLAIN = (
        "Name",
        "RoleArn",
        "Version",
        "EncryptionConfig",
        "KubernetesNetworkConfig",
        "AccessConfig",
        "ResourcesVpcConfig",
        "DeletionProtection",
        "UpgradePolicy",
        "ZonalShiftConfig",
        "ControlPlaneScalingConfig",
    )
    _UPDATABLE = (
        "ResourcesVpcConfig",
        "Logging",
        "AccessConfig",
        "DeletionProtection",
        "UpgradePolicy",
        "ZonalShiftConfig",
        "ControlPlaneScalingConfig",
    )

    def __init__(self, owner: Clusters) -> None:
        self._owner = owner

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        body = _camel({k: v for k, v in properties.items() if k not in ("Tags", "Logging")})
        body["name"] = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=100)
        body["tags"] = tags_of(properties)
        body["logging"] = _api_logging(properties)
        # CloudFormation's own role would be the creator; MiniStack does not keep it.
        name = self._owner.create(body, creator=None)["name"]
        try:
            self._owner.wait(name)
        except EksError:
            self.delete(name, properties)
            raise
        return name

    def read(self, physical_id: str, properties: Properties) -> Properties:
        cluster = clusters.get(physical_id)
        model: Properties = {name: _pascal(cluster[camel]) for name in self._PLAIN if (camel := name[0].lower() + name[1:]) in cluster}
        enabled = [t for setup in cluster["logging"]["clusterLogging"] if setup["enabled"] for t in setup["types"]]
        data = cluster["certificateAuthority"]["data"]
        model |= {
            "Id": str(eks._clusters[physical_id]["arn"]).rpartition("/")[2],
            "Arn": cluster["arn"],
            "Endpoint": cluster["endpoint"],
            "CertificateAuthorityData": data,
            "CertificateAuthority": {"Data": data},
            "ClusterSecurityGroupId": cluster["resourcesVpcConfig"]["clusterSecurityGroupId"],
            "OpenIdConnectIssuerUrl": cluster["identity"]["oidc"]["issuer"],
            "Logging": {"ClusterLogging": {"EnabledTypes": [{"Type": t} for t in enabled]}},
            "Tags": tag_list(cluster["tags"]),
        }
        if cluster["encryptionConfig"]:
            model["EncryptionConfigKeyArn"] = cluster["encryptionConfig"][0]["provider"]["keyArn"]
        return model

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        if "Logging" in old and "Logging" not in new:
            raise invalid("No changes needed for the logging config provided")
        network = "ResourcesVpcConfig"
        for name in old.get(network) or {}:
            if name not in (new.get(network) or {}):  # https://github.com/aws/aws-cdk/issues/37926
                raise invalid(
                    f'The new template must include all the properties specified in the previous template, property "{name}" missing'
                )
        kinds = [name for name in (*self._UPDATABLE, "Version") if old.get(name) != new.get(name)]
        if len(kinds) > 1:
            raise invalid("Only one type of update can be allowed.")
        for name in kinds:
            self._change(physical_id, name, new)
            self._owner.wait(physical_id)
        cluster = clusters.get(physical_id)
        _retag(cluster["arn"], cluster, new)

    def _change(self, cluster: str, name: str, new: Properties) -> None:
        if name == "Version":
            self._owner.update_version(cluster, {"version": new["Version"]})
        elif name == "Logging":
            self._owner.update_config(cluster, {"logging": _api_logging(new)})
        elif name not in new:
            raise invalid(f"local cloud: removing {name} from a cluster is not implemented")
        elif name == "ResourcesVpcConfig":
            present = clusters.get(cluster)["resourcesVpcConfig"]
            changed = {k: v for k, v in _camel(new[name]).items() if present.get(k) != v}
            self._owner.update_config(cluster, {"resourcesVpcConfig": changed})
        else:
            self._owner.update_config(cluster, {name[0].lower() + name[1:]: _camel(new[name])})

    def delete(self, physical_id: str, properties: Properties) -> None:
        if physical_id in eks._clusters:
            self._owner.delete(physical_id)
            self._owner.wait_deleted(physical_id)


def _api_logging(properties: Properties) -> dict[str, Any]:
    logging = (properties.get("Logging") or {}).get("ClusterLogging") or {}
    enabled = [entry["Type"] for entry in logging.get("EnabledTypes") or []]
    disabled = [t for t in clusters.LOG_TYPES if t not in enabled]
    return {"clusterLogging": [{"types": enabled, "enabled": True}, {"types": disabled, "enabled": False}]}


class AccessEntry(Resource):
    """AWS::EKS::AccessEntry; its Ref is not documented to hold the cluster, so the properties name it."""

    type = "AWS::EKS::AccessEntry"

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        cluster, principal = properties["ClusterName"], properties["PrincipalArn"]
        body = _camel({k: properties[k] for k in ("PrincipalArn", "Type", "KubernetesGroups", "Username") if k in properties})
        answer(eks._create_access_entry(cluster, {**body, "tags": tags_of(properties)}))
        try:
            self._associate(cluster, principal, properties)
        except EksError:
            self.delete("", properties)
            raise
        return f"{principal}|{cluster}"

    def read(self, physical_id: str, properties: Properties) -> Properties:
        cluster, principal = properties["ClusterName"], properties["PrincipalArn"]
        entry = answer(eks._describe_access_entry(cluster, principal))["accessEntry"]
        associated = access.policies(cluster, principal)
        return {
            "AccessEntryArn": entry["accessEntryArn"],
            "ClusterName": entry["clusterName"],
            "PrincipalArn": entry["principalArn"],
            "KubernetesGroups": entry["kubernetesGroups"],
            "Username": entry["username"],
            "Type": entry["type"],
            "Tags": tag_list(entry["tags"]),
            "AccessPolicies": [{"PolicyArn": p["policyArn"], "AccessScope": _pascal(p["accessScope"])} for p in associated],
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        cluster, principal = new["ClusterName"], new["PrincipalArn"]
        body: dict[str, Any] = {"kubernetesGroups": new.get("KubernetesGroups") or []}
        if new.get("Username"):
            body["username"] = new["Username"]
        answer(eks._update_access_entry(cluster, principal, body))
        wanted = [policy["PolicyArn"] for policy in new.get("AccessPolicies") or []]
        for policy in access.policies(cluster, principal):
            if policy["policyArn"] not in wanted:
                answer(eks._disassociate_access_policy(cluster, principal, policy["policyArn"]))
        self._associate(cluster, principal, new)
        entry = eks._access_entries[eks._ae_key(cluster, principal)]
        _retag(entry["accessEntryArn"], entry, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        cluster, principal = properties["ClusterName"], properties["PrincipalArn"]
        if eks._ae_key(cluster, principal) in eks._access_entries:
            answer(eks._delete_access_entry(cluster, principal))

    @staticmethod
    def _associate(cluster: str, principal: str, properties: Properties) -> None:
        for policy in properties.get("AccessPolicies") or []:
            if eks._access_policy_name(policy["PolicyArn"]) is None:
                raise invalid(f"The specified policyArn is invalid: {policy['PolicyArn']}")
            body = {"policyArn": policy["PolicyArn"], "accessScope": _camel(policy["AccessScope"])}
            answer(eks._associate_access_policy(cluster, principal, body))


class FargateProfile(Resource):
    """AWS::EKS::FargateProfile."""

    type = "AWS::EKS::FargateProfile"

    def __init__(self, profiles: FargateProfiles) -> None:
        self._profiles = profiles

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        cluster = properties["ClusterName"]
        # EKS takes 100 characters; a generated name is short, and a pod's label, which has 63, holds it.
        name = properties.get("FargateProfileName") or provisioners._physical_name(stack, logical_id, max_len=63)
        body = {
            "fargateProfileName": name,
            "podExecutionRoleArn": properties["PodExecutionRoleArn"],
            "subnets": properties.get("Subnets") or [],
            "selectors": [
                {"namespace": s["Namespace"], "labels": {label["Key"]: label["Value"] for label in s.get("Labels") or []}}
                for s in properties["Selectors"]
            ],
            "tags": tags_of(properties),
        }
        self._profiles.create(cluster, body)
        self._profiles.wait(cluster, name)
        return f"{cluster}|{name}"

    def read(self, physical_id: str, properties: Properties) -> Properties:
        profile = fargate.get(*physical_id.split("|"))
        return {
            "Arn": profile["fargateProfileArn"],
            "ClusterName": profile["clusterName"],
            "FargateProfileName": profile["fargateProfileName"],
            "PodExecutionRoleArn": profile["podExecutionRoleArn"],
            "Subnets": profile["subnets"],
            "Selectors": [{"Namespace": s["namespace"], "Labels": tag_list(s["labels"])} for s in profile["selectors"]],
            "Tags": tag_list(profile["tags"]),
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        profile = fargate.get(*physical_id.split("|"))
        _retag(profile["fargateProfileArn"], profile, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        cluster, name = physical_id.split("|")
        if cluster in eks._clusters and name in fargate.names(cluster):
            self._profiles.delete(cluster, name)
            self._profiles.wait_deleted(cluster, name)


class Nodegroup(Resource):
    """AWS::EKS::Nodegroup. Labels and Tags are maps, unlike in the other types."""

    type = "AWS::EKS::Nodegroup"
    _ASKED = (
        "NodeRole",
        "Subnets",
        "InstanceTypes",
        "AmiType",
        "CapacityType",
        "DiskSize",
        "RemoteAccess",
        "ScalingConfig",
        "Taints",
        "UpdateConfig",
        "NodeRepairConfig",
        "LaunchTemplate",
        "Version",
        "ReleaseVersion",
    )
    _VERSION = ("Version", "ReleaseVersion", "LaunchTemplate")
    _CONFIG = ("ScalingConfig", "Labels", "Taints", "UpdateConfig", "NodeRepairConfig")

    def __init__(self, groups: NodeGroups) -> None:
        self._groups = groups

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        cluster = properties["ClusterName"]
        name = properties.get("NodegroupName") or provisioners._physical_name(stack, logical_id, max_len=63)
        body = {n[0].lower() + n[1:]: _camel(properties[n]) for n in self._ASKED if n in properties}
        body |= {"nodegroupName": name, "labels": properties.get("Labels") or {}, "tags": properties.get("Tags") or {}}
        self._groups.create(cluster, body)
        try:
            self._groups.wait(cluster, name)
        except EksError:
            self.delete(f"{cluster}/{name}", properties)
            raise
        return f"{cluster}/{name}"

    def read(self, physical_id: str, properties: Properties) -> Properties:
        group = nodegroups.get(*physical_id.split("/"))
        model = {n: _pascal(group[camel]) for n in self._ASKED if (camel := n[0].lower() + n[1:]) in group}
        if "LaunchTemplate" in model:
            asked = properties.get("LaunchTemplate") or {}
            # The service resolves $Latest and tells both id and name.
            model["LaunchTemplate"] = {**model["LaunchTemplate"], **{k: asked[k] for k in asked if asked[k] in ("$Latest", "$Default")}}
        return model | {
            "Id": physical_id,
            "Arn": group["nodegroupArn"],
            "ClusterName": group["clusterName"],
            "NodegroupName": group["nodegroupName"],
            "Labels": dict(group["labels"]),
            "Tags": dict(group["tags"]),
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        cluster, name = physical_id.split("/")
        version, config, tags = ([n for n in names if old.get(n) != new.get(n)] for names in (self._VERSION, self._CONFIG, ("Tags",)))
        if version and (config or tags):
            # https://github.com/aws/containers-roadmap/issues/1258
            raise invalid("Version and ReleaseVersion updates cannot be combined with other updates")
        if version:
            self._groups.update_version(cluster, name, {n[0].lower() + n[1:]: _camel(new[n]) for n in version if n in new})
        elif config:
            self._groups.update_config(cluster, name, self._change(old, new, config))
        self._groups.wait(cluster, name)
        group = nodegroups.get(cluster, name)
        group["tags"] = dict(new.get("Tags") or {})
        eks._tags[group["nodegroupArn"]] = dict(group["tags"])

    @staticmethod
    def _change(old: Properties, new: Properties, names: list[str]) -> dict[str, Any]:
        body: dict[str, Any] = {n[0].lower() + n[1:]: _camel(new[n]) for n in names if n in new and n not in ("Labels", "Taints")}
        if "Labels" in names:
            labels = new.get("Labels") or {}
            body["labels"] = {"addOrUpdateLabels": labels, "removeLabels": [k for k in old.get("Labels") or {} if k not in labels]}
        if "Taints" in names:
            taints = _camel(new.get("Taints") or [])
            body["taints"] = {"addOrUpdateTaints": taints, "removeTaints": [t for t in _camel(old.get("Taints") or []) if t not in taints]}
        return body

    def delete(self, physical_id: str, properties: Properties) -> None:
        cluster, name = physical_id.split("/")
        if cluster in eks._clusters and name in nodegroups.names(cluster):
            self._groups.delete(cluster, name)
            self._groups.wait_deleted(cluster, name)


class Addon(Resource):
    """AWS::EKS::Addon; the add-on is a record, nothing is installed in the cluster."""

    type = "AWS::EKS::Addon"
    _KEPT = ("AddonVersion", "ServiceAccountRoleArn", "ConfigurationValues")

    def create(self, logical_id: str, properties: Properties, stack: str) -> str:
        cluster, name = properties["ClusterName"], properties["AddonName"]
        body = {"addonName": name, "tags": tags_of(properties)} | _camel({k: properties[k] for k in self._KEPT if k in properties})
        answer(eks._create_addon(cluster, body))
        return f"{cluster}|{name}"

    def read(self, physical_id: str, properties: Properties) -> Properties:
        addon = answer(eks._describe_addon(*physical_id.split("|")))["addon"]
        return {name: addon[name[0].lower() + name[1:]] for name in self._KEPT} | {
            "Arn": addon["addonArn"],
            "ClusterName": addon["clusterName"],
            "AddonName": addon["addonName"],
            "Tags": tag_list(addon["tags"]),
        }

    def update(self, physical_id: str, old: Properties, new: Properties) -> None:
        cluster, name = physical_id.split("|")
        answer(eks._update_addon(cluster, name, _camel({k: new.get(k, "") for k in self._KEPT})))
        addon = eks._addons[f"{cluster}/{name}"]
        _retag(addon["addonArn"], addon, new)

    def delete(self, physical_id: str, properties: Properties) -> None:
        cluster, name = physical_id.split("|")
        if f"{cluster}/{name}" in eks._addons:
            answer(eks._delete_addon(cluster, name))


def resources(owner: Clusters, groups: NodeGroups, profiles: FargateProfiles) -> list[Resource]:
    """All types of this module."""
    return [Cluster(owner), AccessEntry(), FargateProfile(profiles), Nodegroup(groups), Addon()]
