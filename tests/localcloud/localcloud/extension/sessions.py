"""STS: sessions that may begin while others are looked through.

MiniStack looks for expired sessions whenever it makes one, in a dictionary that is not locked. Where
functions start at the same moment, the invocation of one of them ends with "dictionary changed size
during iteration".
"""

from __future__ import annotations

from collections.abc import ItemsView
from typing import Any

from ministack.services import sts


class Sessions(dict[str, Any]):
    """Sessions by access key; a look through them is at those of its beginning."""

    def items(self) -> ItemsView[str, Any]:
        """The sessions of this moment."""
        return dict(self).items()


def install() -> None:
    """Put such a store in place of MiniStack's."""
    sts._sessions = Sessions(sts._sessions)
