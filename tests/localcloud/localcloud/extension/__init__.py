"""What is added to MiniStack, one module per service.

MiniStack has no plug-in mechanism. Its services keep their state in module-level dictionaries
and find their handlers through module-level names; the modules here bind those names anew.
Every name they use is private to MiniStack, hence the exact version in the launcher.
"""

from __future__ import annotations

from localcloud.extension import (
    answers,
    branches,
    cloudformation,
    conditions,
    ec2,
    eks,
    endpoints,
    ends,
    iam,
    instances,
    interfaces,
    invocations,
    lambdas,
    managed_policies,
    network,
    obstacles,
    policies,
    provisioned,
    quotas,
    record,
    resources,
    rights,
    service_role,
    services,
    sessions,
    simulation,
    stack_requests,
    states,
)
from localcloud.settings import Settings


def install(settings: Settings) -> None:
    """Install everything into the running process."""
    conditions.install()
    policies.install()
    branches.install()
    rights.install()
    record.install(settings)  # after rights, so that what those refuse is recorded too
    sessions.install()
    lambdas.install(settings)
    invocations.install(settings)  # before states, which checks the machine's role ahead of it
    states.install()
    ends.install()
    managed_policies.install()
    answers.install()
    provisioned.install()
    stack_requests.install()
    service_role.install(settings)
    cloudformation.install()
    obstacles.install(settings)
    for resource in (*ec2.resources(), *endpoints.resources(), *iam.resources(), *eks.install(settings)):
        cloudformation.register(resource)
    ec2.install()
    network.install()
    interfaces.install()
    instances.install(settings)
    endpoints.install(settings)
    quotas.install(settings)
    resources.install()
    simulation.install()
    services.install(settings)
