"""Docker: whether it is there, where containers reach this machine, and the image they start from."""

from __future__ import annotations

import io
import json
import pathlib
import platform
import shutil
import subprocess
import tarfile
import tempfile

IMAGE = f"public.ecr.aws/lambda/provided:al2023-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
"""What SAM local starts functions of the runtime provided.al2023 from."""

_PULL_SECONDS = 120
_BUSYBOX = pathlib.Path("/bin/busybox")
_CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class DockerMissing(Exception):
    """Nothing can be run; the text says why and what to do, in one line."""


def check() -> None:
    """Refuses to go on without a daemon that may be used."""
    if not shutil.which("docker"):
        raise DockerMissing("SAM local needs Docker: install it (Debian: apt-get install docker.io iptables) and start its daemon")
    done = _docker("info", "--format", "{{json .ServerErrors}}")
    said = done.stderr.strip() or ("" if done.stdout.strip() in ("null", "") else done.stdout.strip())
    if "permission denied" in said.lower():
        raise DockerMissing("you may not use the Docker daemon: join its group (sudo usermod -aG docker $USER), log in again, then make sam-local")
    if done.returncode or said:
        raise DockerMissing("no Docker daemon answers: start it (sudo systemctl start docker, or sudo dockerd), then make sam-local")


def gateway() -> str:
    """The address of this machine that containers reach."""
    networks = json.loads(_docker("network", "inspect", "bridge").stdout)
    return networks[0]["IPAM"]["Config"][0].get("Gateway") or "172.17.0.1"


def image() -> str:
    """Pulls the base image, or makes a stand-in; says which."""
    try:
        if _docker("pull", "--quiet", IMAGE, timeout=_PULL_SECONDS).returncode == 0:
            return f"{IMAGE}, pulled"
    except subprocess.TimeoutExpired:
        pass
    if _docker("image", "inspect", IMAGE).returncode:
        _build_stand_in()
    kind = _docker("image", "inspect", "--format", '{{index .Config.Labels "stand-in"}}', IMAGE).stdout.strip()
    return f"a stand-in for {IMAGE}, which cannot be pulled" if kind == "yes" else f"{IMAGE}, as it was pulled earlier"


def containers(function: str = "") -> list[str]:
    """The containers of SAM local, those of one function or all."""
    filters = ["--filter", f"label=sam.cli.function.name={function}"] if function else []
    return _docker("ps", "--quiet", "--no-trunc", "--filter", "label=sam.cli.container.type=lambda", *filters).stdout.split()


def end(identifiers: list[str]) -> None:
    """Removes containers."""
    if identifiers:
        _docker("rm", "--force", *identifiers)


def execute(container: str, *command: str) -> str:
    """What a command in a container prints."""
    done = _docker("exec", container, *command)
    return done.stdout + done.stderr


def _build_stand_in() -> None:
    """What a static Go program and SAM local need of an operating system: a few commands, certificates, folders."""
    for needed, package in ((_BUSYBOX, "busybox-static"), (_CERTIFICATES, "ca-certificates")):
        if not needed.exists():
            raise DockerMissing(f"{IMAGE} cannot be pulled, and its stand-in needs {needed}: install {package}")
    with tempfile.TemporaryDirectory() as folder:
        context = pathlib.Path(folder)
        (context / "root.tar").write_bytes(_root())
        (context / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nWORKDIR /var/task\nENV PATH=/bin\nLABEL stand-in="yes"\n')
        done = _docker("build", "--quiet", "--tag", IMAGE, str(context))
        if done.returncode:
            raise DockerMissing(f"the stand-in for {IMAGE} cannot be built: {done.stderr.strip()}")


def _root() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as files:
        for folder in ("bin", "etc/ssl/certs", "opt", "tmp", "var/rapid", "var/runtime", "var/task"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            files.addfile(entry)
        for source, target in ((_BUSYBOX, "bin/busybox"), (_CERTIFICATES, "etc/ssl/certs/ca-certificates.crt")):
            data = source.read_bytes()
            entry = tarfile.TarInfo(target)
            entry.size, entry.mode = len(data), 0o755
            files.addfile(entry, io.BytesIO(data))
        for command in ("sh", "mv", "chmod", "cp", "rm"):
            entry = tarfile.TarInfo(f"bin/{command}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            files.addfile(entry)
    return archive.getvalue()


def _docker(*arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout)
