"""Everything that MiniStack and the extension keep of the accounts, as JSON: what a snapshot is made of.

MiniStack's services keep their state in dictionaries by account, or by account and region, at the
level of their modules. They are found by their type, so that a service which is used for the
first time is in the snapshot without being named here.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

_PACKAGES = ("ministack.services.", "localcloud.extension.")

_OBSERVATION = frozenset(
    {
        # What is written about calls, reading ones included: nothing that a user would call state.
        "cloudwatch._metrics",
        "cloudwatch_logs._log_records",
        "cloudwatch_logs._log_groups streams",
        "eventbridge._events_log",
        "stepfunctions._executions",
        "stepfunctions._task_tokens",
        # Ends of streams that have been read.
        "lambda_svc._dynamodb_stream_positions",
        "lambda_svc._kinesis_positions",
    }
)


def dump() -> dict[str, Any]:
    """Every entry of every store, by "service.store/account/region/key"; a global store's region is "-"."""
    entries: dict[str, Any] = {}
    seen: set[int] = set()
    for name, module in sorted(sys.modules.items()):
        if not name.startswith(_PACKAGES):
            continue
        for attribute, store in sorted(vars(module).items()):
            # A store that another module imports is listed once.
            if not isinstance(store, AccountScopedDict | AccountRegionScopedDict) or id(store) in seen:
                continue
            seen.add(id(store))
            label = f"{name.split('.', 2)[2]}.{attribute}"
            if label not in _OBSERVATION:
                entries |= {f"{label}/{_place(store, key)}": _kept(label, value) for key, value in list(store._data.items())}
    return entries


def _kept(label: str, value: Any) -> Any:
    """An entry without the members that only observe."""
    plain = _plain(value)
    if isinstance(plain, dict):
        return {key: member for key, member in plain.items() if f"{label} {key}" not in _OBSERVATION}
    return plain


def _place(store: Any, key: tuple[Any, ...]) -> str:
    account, *region, name = key
    return "/".join([account, *(region or ["-"]), str(name)])


def _plain(value: Any) -> Any:
    """The value as JSON has it; what JSON has no form for is named by its type."""
    if isinstance(value, AccountScopedDict | AccountRegionScopedDict):
        value = value._data
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, set | frozenset):
        return sorted((_plain(member) for member in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return f"a {type(value).__name__}"
