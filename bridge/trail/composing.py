"""What was noted as the bodies of rows, a batch at a time: what the rows of one message share is composed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson

from bridge.db import Database, Row
from bridge.model import MAIL, MATRIX
from bridge.trail.aliases import Aliases, domain
from bridge.trail.chain import FIELDS, compose_body
from bridge.trail.entry import TrailKind

_WITH_DOMAINS = (MATRIX, MAIL)
_MESSAGE = TrailKind.MESSAGE.value
_noted = itemgetter(*FIELDS)
Noted = tuple[Any, ...]
"""The values of :data:`bridge.trail.chain.FIELDS` as they were noted."""
Reached = Mapping[tuple[str, str], str]
"""The address of a member: by conversation and person."""


async def bodies_of(db: Database, aliases: Aliases, rows: Sequence[Row]) -> list[str]:
    """The bodies of rows of ``trail.next``, in their order. Raises Unavailable."""
    noted = [_noted(row) for row in rows]
    told = [one for one in noted if one[1] == _MESSAGE]
    ids = orjson.dumps(list({subject for _, _, _, subject, *_ in told})).decode()
    messages = {row["id"]: row for row in await db.all("trail.messages", ids)} if told else {}
    bodies = Bodies(aliases, messages, await _reached(db, told, messages))
    return [bodies.compose(one) for one in noted]


async def _reached(db: Database, told: Sequence[Noted], messages: Mapping[str, Row]) -> Reached:
    """Where recipients are whose networks have domains; of others the network says all that is noted."""
    wanted = {
        (messages[subject]["conversation"], person)
        for _, _, _, subject, person, _, details in told
        if details.startswith(_WITH_DOMAINS) and subject in messages
    }
    if not wanted:
        return {}
    found = await db.all("trail.reached", orjson.dumps(list(wanted)).decode())
    return {(row["conversation"], row["person"]): row["address"] for row in found}


class Bodies:
    """``messages``: what the batch is about, by id, as far as it is there; ``reached``: recipients with a domain."""

    def __init__(self, aliases: Aliases, messages: Mapping[str, Row], reached: Reached) -> None:
        self._aliases, self._messages, self._reached = aliases, messages, reached
        self._shared: dict[tuple[int, str, str, str, str | None], tuple[str, str]] = {}

    def compose(self, noted: Noted) -> str:
        """The body of one row, as :func:`bridge.trail.chain.compose_body` writes it."""
        at, kind, actor, subject, object_, result, details = noted
        if kind != _MESSAGE:
            of = self._aliases.of
            return compose_body((at, kind, of(actor), of(subject), of(object_), result, orjson.loads(details or "{}")))
        address = self._address(subject, object_) if details.startswith(_WITH_DOMAINS) else None
        key = (at, subject, result, details, address)
        before, behind = self._shared.get(key) or self._share(*key)
        return f"{before}{self._aliases.quoted(object_)}{behind}"

    def _address(self, subject: str, person: str) -> str | None:
        message = self._messages.get(subject)
        return None if message is None else self._reached.get((message["conversation"], person))

    def _share(self, at: int, subject: str, result: str, details: str, address: str | None) -> tuple[str, str]:
        """What stands before and behind the recipient: the same for everybody there at one moment."""
        message, (network, _, reason) = self._messages.get(subject), details.partition(" ")
        about = {"to": domain(network, address)}
        actor = None
        if message is not None:
            actor, about["from"] = self._aliases.of(message["sender"]), domain(message["network"], message["address"])
            if result == "accepted":
                about["conversation"] = message["conversation"]
        if reason:
            about["reason"] = reason
        before = compose_body((at, _MESSAGE, actor, self._aliases.of(subject)))
        around = f"{before[:-1]},", f",{compose_body((result, about))[1:]}"
        self._shared[at, subject, result, details, address] = around
        return around
