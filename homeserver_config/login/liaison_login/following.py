"""What follows for accounts from what the directory says of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liaison_login.directory import Entry, State

FEW, SHARE = 10, 0.2
"""Accounts that may be closed by one look without somebody having to look at the directory first."""


@dataclass(frozen=True, slots=True)
class Last:
    """An answer of the directory and when it came (ms since 1970)."""

    entry: Entry
    at: int


@dataclass(frozen=True, slots=True)
class Change:
    """What is done for one account: its sessions end, its display name is written, both or neither."""

    user: str
    entry: Entry
    closes: bool
    named: bool


class TooMany(Exception):
    """``closing`` of ``known`` accounts would be closed at once."""

    def __init__(self, closing: int, known: int) -> None:
        super().__init__(f"{closing} of {known} accounts would be closed at once")


def changes(accounts: Sequence[tuple[str, Last | None]], found: Mapping[str, Entry]) -> list[Change]:
    """Of all accounts of which something is said. Raises TooMany: a directory that has lost so many is not believed."""
    told = [(user, found[user], last) for user, last in accounts if user in found]
    made = [
        Change(
            user, entry, _closes(entry, last), bool(entry.shown) and (last is None or last.entry.shown != entry.shown)
        )
        for user, entry, last in told
        if entry.state is not State.UNKNOWN  # no word of the directory: the last one stays
    ]
    closing = sum(one.closes for one in made)
    if closing > max(FEW, SHARE * len(accounts)):
        raise TooMany(closing, len(accounts))
    return made


def lost(accounts: Sequence[tuple[str, Last | None]], found: Mapping[str, Entry]) -> list[str]:
    """Accounts that the directory does not know at all: they stay, and somebody should look."""
    return [user for user, _ in accounts if user in found and found[user].state is State.UNKNOWN]


def _closes(entry: Entry, last: Last | None) -> bool:
    return entry.state.closed and (last is None or not last.entry.state.closed)
