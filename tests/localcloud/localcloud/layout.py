"""Where the local cloud keeps its files."""

from __future__ import annotations

import dataclasses
import pathlib


def repository() -> pathlib.Path:
    """The root of the checkout this package lies in."""
    return pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of one instance; two instances differ in their base directory only."""

    base: pathlib.Path

    @classmethod
    def default(cls) -> Layout:
        """The instance that `make demo` uses."""
        return cls(repository() / ".local")

    @property
    def env_file(self) -> pathlib.Path:
        """KEY=VALUE lines, read by shells and by make."""
        return self.base / "cloud.env"

    @property
    def run(self) -> pathlib.Path:
        """State of the running instance; removed by stop."""
        return self.base / "run"

    @property
    def pids(self) -> pathlib.Path:
        """One file per process the instance started."""
        return self.run / "pids"

    @property
    def server_log(self) -> pathlib.Path:
        """Output of MiniStack and of the extension."""
        return self.run / "ministack.log"

    @property
    def calls(self) -> pathlib.Path:
        """One JSON line per AWS API call."""
        return self.run / "calls.jsonl"

    @property
    def rights(self) -> pathlib.Path:
        """One JSON line per kind of operation that a stack's service role does not fully allow."""
        return self.run / "rights.jsonl"

    @property
    def limits(self) -> pathlib.Path:
        """What a test has set of the accounts' limits."""
        return self.run / "limits.json"

    @property
    def obstacles(self) -> pathlib.Path:
        """What a test has put in the way of resources."""
        return self.run / "obstacles.json"

    @property
    def clusters(self) -> pathlib.Path:
        """One directory per Kubernetes control plane."""
        return self.run / "clusters"

    @property
    def layers(self) -> pathlib.Path:
        """Unpacked Lambda layers, by the SHA-256 of their archive."""
        return self.run / "layers"

    @property
    def temporary(self) -> pathlib.Path:
        """TMPDIR of everything that is started."""
        return self.run / "tmp"


def kubernetes_binary() -> pathlib.Path:
    """The control-plane binary, built from tests/localcloud/kubernetes."""
    return repository() / ".local" / "bin" / "kubernetes"
