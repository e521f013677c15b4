"""EKS: real control planes as processes, and the calls and CloudFormation types MiniStack lacks.

clusters.py        create, update and delete a cluster
control_plane.py   the processes behind a cluster
kube.py            requests to a cluster's API server as its administrator
access.py          access entries and access policies
auth.py            who a bearer token belongs to
fargate.py         Fargate profiles
nodegroups.py      managed node groups; launch.py checks what they ask for, nodes.py makes their nodes
node_access.py     what EKS writes so that nodes may join
system.py          what EKS itself puts into a new cluster
programs.py        what the program of a pod would do at its start
background.py      work that goes on after a call was answered
versions.py        the Kubernetes versions EKS offers
routes.py          the HTTP API
types.py           the CloudFormation types
"""

from __future__ import annotations

from localcloud.extension.eks import access, auth, routes, types
from localcloud.extension.eks.clusters import Clusters
from localcloud.extension.eks.control_plane import ControlPlanes
from localcloud.extension.eks.fargate import FargateProfiles
from localcloud.extension.eks.nodegroups import NodeGroups
from localcloud.extension.resource import Resource
from localcloud.settings import Settings


def install(settings: Settings) -> list[Resource]:
    """Put the calls of this package in the place of MiniStack's, and return its CloudFormation types."""
    control_planes = ControlPlanes(settings)
    owner = Clusters(control_planes, settings.eks_delay, settings.coredns_annotation)
    groups = NodeGroups(control_planes, settings.eks_delay)
    profiles = FargateProfiles(control_planes, settings.eks_delay)
    access.install(control_planes)
    auth.install(control_planes, settings)
    routes.install(owner, groups, profiles)
    return types.resources(owner, groups, profiles)
