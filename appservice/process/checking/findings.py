"""What was looked at, and what to change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to change if it is not ``ok``.

    ``note``: it may be meant so; it is said, and is no failure.
    """

    ok: bool
    what: str
    mend: str = ""
    note: bool = False


def good(what: str) -> Finding:
    """Nothing to mend."""
    return Finding(True, what)


def bad(what: str, mend: str = "") -> Finding:
    """Something to mend; without ``mend`` the first text says it all."""
    return Finding(False, what, mend)


def judged(right: bool, what: str, mend: str) -> Finding:
    """``mend`` is for what is not right."""
    return Finding(right, what, "" if right else mend)


def remark(what: str, mend: str) -> Finding:
    """Perhaps something to mend."""
    return Finding(True, what, mend, note=True)


def lines(findings: Iterable[Finding]) -> Iterable[str]:
    """As they are printed."""
    for one in findings:
        yield ("note  " if one.note else "ok    " if one.ok else "MEND  ") + one.what
        if one.mend and (one.note or not one.ok):
            yield f"      → {one.mend}"
