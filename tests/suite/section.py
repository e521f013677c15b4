"""The generated part of a hand-written document: what stands between two marker lines."""

from __future__ import annotations

import pathlib


def update(document: pathlib.Path, name: str, body: str, check: bool) -> str:
    """Puts the body between the document's markers of that name; with check says only whether it is there already.

    Returns what is wrong, or nothing.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = document.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        return f"{document.name} lacks the lines {begin} and {end}"
    new = f"{before}{begin}\n{body.strip()}\n{end}{after}"
    if new == text:
        return ""
    if check:
        return f"the part '{name}' of {document.name} is not what its source makes: run `make generate`"
    document.write_text(new)
    return ""
