"""Which calls are disturbed, and how."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from localcloud.proxy.call import Call


@dataclasses.dataclass(frozen=True)
class Answer:
    """The function answers with an error of this name, without having been called."""

    error: str
    message: str = "thrown by a test"


@dataclasses.dataclass(frozen=True)
class Result:
    """The function answers with what this makes of the call, without having been called."""

    of: Callable[[Call], Any]


@dataclasses.dataclass(frozen=True)
class Refuse:
    """The service refuses the call with an error of its own."""

    error: str
    status: int = 400
    message: str = "refused by a test"


@dataclasses.dataclass(frozen=True)
class Delay:
    """The answer comes this many seconds late; the call itself is made at once."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Hold:
    """The call waits for an event, then something else happens to it."""

    until: threading.Event
    then: Answer | Result | Refuse


@dataclasses.dataclass(frozen=True)
class Cut:
    """The connection ends without an answer: before the call was made, or after."""

    made: bool
    kills: str = ""
    """A function whose processes die at the same moment: the one that has made the call."""


@dataclasses.dataclass(frozen=True)
class Kill:
    """The function's process dies while it works on the call."""


Disturbance = Answer | Result | Refuse | Delay | Hold | Cut | Kill


@dataclasses.dataclass(eq=False)
class Rule:
    """Disturbs the calls that match: the first `times` of them, or all."""

    matches: Callable[[Call], bool]
    disturbance: Disturbance
    times: int | None = None
    skip: int = 0
    """So many matching calls pass before the first one is disturbed."""
    seen: int = dataclasses.field(default=0, init=False)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, init=False, repr=False)

    def wants(self, call: Call) -> bool:
        """Counts the call if it matches, and says whether it is disturbed."""
        if not self.matches(call):
            return False
        with self._lock:
            self.seen += 1
            disturbed = self.seen - self.skip
        return disturbed > 0 and (self.times is None or disturbed <= self.times)
