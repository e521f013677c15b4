"""Sessions may begin while MiniStack looks for expired ones."""

from __future__ import annotations

import pytest
from ministack.services import sts

from localcloud.extension import sessions


def test_a_session_begins_during_the_look_for_expired_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(dict[str, object]):
        """A session during whose check another one begins."""

        def get(self, key: str, default: object = None) -> object:
            sts._sessions.setdefault("another", {})
            return super().get(key, default)

    monkeypatch.setattr(sts, "_sessions", {"first": Busy()})
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        sts._evict_expired_sessions()

    monkeypatch.setattr(sts, "_sessions", {"first": Busy(), "expired": {"Expiration": 1}})
    sessions.install()
    sts._evict_expired_sessions()
    assert set(sts._sessions) == {"first", "another"}
