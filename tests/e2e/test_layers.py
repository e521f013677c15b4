"""The kubectl layers as `sam build` makes them: the same sources give the same archive."""

from __future__ import annotations

import hashlib
import pathlib
import platform
import shutil
import subprocess
import sys

from demo.cloud import ROOT

BUILD = ROOT / ".aws-sam" / "build"
LAYERS = ROOT / "layers" / "kubectl"
SAM = pathlib.Path(sys.prefix).parent / "sam" / "bin" / "python"
ZIP = "import sys; from samcli.lib.package.utils import make_zip_with_lambda_permissions as z; print(z(sys.argv[1], sys.argv[2]))"
MACHINES = {"x86_64": ("amd64", 62), "aarch64": ("arm64", 183), "arm64": ("arm64", 183)}


def test_a_layer_built_twice_has_the_same_archive(tmp_path: pathlib.Path) -> None:
    # Elsewhere, so that a path in it would show. The packages come out of the build cache: this links only.
    shutil.copytree(LAYERS / "1.36", tmp_path / "kubectl" / "1.36")
    shutil.copy(LAYERS / "layer.mk", tmp_path / "kubectl")
    architecture, _ = MACHINES[platform.machine()]
    subprocess.run(["make", "-s", "-C", tmp_path / "kubectl" / "1.36", "build", f"OUT={tmp_path / 'out'}", f"GOARCH={architecture}"], check=True)
    assert _archive(tmp_path / "out", tmp_path / "again") == _archive(BUILD / "KubectlLayer136", tmp_path / "built")


def test_every_layer_holds_a_program_for_the_functions_processor() -> None:
    _, machine = MACHINES[platform.machine()]
    for folder in sorted(LAYERS.glob("1.*")):
        program = BUILD / f"KubectlLayer{folder.name.replace('.', '')}" / "kubectl" / "kubectl"
        head = program.read_bytes()[:20]
        assert program.stat().st_mode & 0o111 and head[:4] == b"\x7fELF"
        assert int.from_bytes(head[18:20], "little") == machine


def _archive(folder: pathlib.Path, name: pathlib.Path) -> str:
    """The SHA-256 of the archive that `sam deploy` uploads for a folder."""
    made = subprocess.run([SAM, "-c", ZIP, name, folder], check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    return hashlib.sha256(pathlib.Path(made).read_bytes()).hexdigest()
