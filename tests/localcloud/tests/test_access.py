"""Access policies reconciled by several threads, and by an API server that does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import eks

from localcloud.extension.eks import access
from localcloud.extension.eks.kube import KubeError

KEY = ("111111111111", "us-east-1", "one")
POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


class Objects:
    """Kubernetes objects by their paths."""

    def __init__(self, before: Callable[[str, str], None]) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._before = before

    def request(self, method: str, path: str) -> Any:
        self._before(method, path)
        if method == "DELETE":
            return self.found.pop(path)
        kept = [item for place, item in self.found.items() if place.startswith(path.partition("?")[0] + "/")]
        return {"items": [{"metadata": item["metadata"]} for item in kept]}

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        self._before("PATCH", path)
        self.found[path] = manifest


class OneCluster:
    """The control planes of a server with a single one."""

    def __init__(self, client: Objects) -> None:
        self._client = client

    def client(self, key: tuple[str, str, str]) -> Objects:
        return self._client


@pytest.fixture
def principals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those that have the policy."""
    associated = ["arn:aws:iam::111111111111:role/first"]
    scope = {"accessScope": {"type": "cluster"}}
    monkeypatch.setattr(eks, "_access_policy_associations", lambda *_: [(arn, POLICY, scope) for arn in associated])
    monkeypatch.setattr(access, "_PAUSE_SECONDS", 0)
    return associated


def test_binding_stays_that_is_made_beside_another_reconciliation(principals: list[str]) -> None:
    later = threading.Thread(target=lambda: access._reconcile(planes, KEY))

    def before(method: str, path: str) -> None:
        # What the first wants is settled, and it is about to remove everything else.
        if method == "GET" and path.startswith(BINDINGS) and later.ident is None:
            principals.append("arn:aws:iam::111111111111:role/second")
            later.start()
            later.join(0.5)

    objects = Objects(before)
    planes = OneCluster(objects)
    assert access._reconcile(planes, KEY)
    later.join()
    assert len([path for path in objects.found if path.startswith(BINDINGS)]) == 2


def test_reconciliation_goes_on_after_a_failure(principals: list[str]) -> None:
    failures = [KubeError(500, "etcd: leader changed"), TimeoutError("timed out"), KubeError(409, "conflict")]

    def before(method: str, path: str) -> None:
        if method == "PATCH" and failures:
            raise failures.pop()

    objects = Objects(before)
    assert access._reconcile_until_done(OneCluster(objects), KEY)
    assert len([path for path in objects.found if path.startswith(BINDINGS)]) == 1
