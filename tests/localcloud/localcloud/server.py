"""The server process: MiniStack with the extension installed. Started by `localcloud start`."""

from __future__ import annotations

import importlib.metadata
import logging

from localcloud import MINISTACK_VERSION
from localcloud.settings import Settings


def main() -> None:
    """Install the extension and serve until a signal ends the process."""
    version = importlib.metadata.version("ministack")
    if version != MINISTACK_VERSION:
        raise SystemExit(f"the extension is written for MiniStack {MINISTACK_VERSION}, this is {version}")
    import ministack.app

    from localcloud import extension

    extension.install(Settings.from_environment())
    logging.getLogger("localcloud").info("extension installed")
    ministack.app.main()


if __name__ == "__main__":
    main()
