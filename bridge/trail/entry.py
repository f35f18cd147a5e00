"""What is noted: one row in the transaction of the fact itself, so that both are there or neither is.

Rows name people, conversations and codes: never a name, a text, a subject, a file's name. Where an address stands in a
row (``network:id``), the chain keeps its network, its domain and a keyed hash (:mod:`bridge.trail.aliases`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import orjson

from bridge.db import Component, Tx

COMPONENT = Component("trail", Path(__file__).parent / "sql")
"""Its tables; the message's states come from the hub's own tables, so it is opened after those."""


class TrailKind(StrEnum):
    """What a row is about."""

    MESSAGE = "message"  # what became of a message for one recipient; written by the database itself
    LINK_MADE = "link_made"  # an address is a person's: subject the person, object the address, actor by whose word
    LINK_REVOKED = "link_revoked"  # it is no longer
    IDENTITY_CONFLICT = "identity_conflict"  # two say to be one person; result: how it stands
    LIST_CHANGED = (
        "list_changed"  # a list of who takes part: subject which, object its sequence, actor its signer's key
    )
    POLICY_REFUSED = "policy_refused"  # actor was not allowed; object whom it was for, result the code
    LOGIN = "login"  # somebody logged in, or was refused
    OPERATOR = "operator"  # an operator changed something: subject what, result the outcome
    CREDENTIAL = "credential"  # a token or secret was made, changed or ended: subject its id, never itself
    RETENTION = "retention"  # a conversation is kept, told of its end, or purged
    EXPORT = "export"  # what is known of a person or conversation was given out
    ERASURE = "erasure"  # what is known of a person or conversation was erased
    TRAIL = "trail"  # the trail itself: old rows were removed


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One fact. ``actor`` did something to ``subject``, for or with ``object``; ``result`` is a code.

    Person ids (``rpps:…``), ids of conversations and messages, ``operator``, ``network:id`` of addresses.
    ``details``: short codes, numbers, domains.
    """

    kind: TrailKind
    actor: str | None = None
    subject: str | None = None
    object: str | None = None
    result: str | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)


async def note(tx: Tx, entry: TrailEntry, at: int) -> None:
    """Note a fact in the transaction that writes it; ``at`` in ms since 1970."""
    await tx.run("trail.note", *_row(entry, at))


async def note_all(tx: Tx, entries: Sequence[TrailEntry], at: int) -> None:
    """The same of several."""
    if entries:
        await tx.many("trail.note", [_row(entry, at) for entry in entries])


def _row(entry: TrailEntry, at: int) -> tuple[int | str | None, ...]:
    details = orjson.dumps(dict(entry.details), option=orjson.OPT_SORT_KEYS).decode() if entry.details else None
    return at, entry.kind.value, entry.actor, entry.subject, entry.object, entry.result, details
