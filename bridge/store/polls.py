"""Open polls and their votes: kept sealed until the poll ends, for the legs that show only what became of it."""

from __future__ import annotations

from dataclasses import replace

import orjson

from bridge.db import Row, Tx
from bridge.extras import Poll, Vote, counted
from bridge.forms import wording
from bridge.model import Kind, Message
from bridge.seal import Seal
from bridge.store import bodies
from bridge.store.conversation import message_id

_OPEN = 90 * 86_400_000  # ms: a poll that nobody ends is forgotten
_PAGE = 20  # of those that are forgotten at once


class Polls:
    """Takes the open transaction in which the hub accepts a poll, a vote, or the end."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def noted(self, tx: Tx, message: Message, person: str, about: str, now: int) -> Message:
        """The message as it is given to others: the end of a poll with its counts.

        ``about`` is the hub's id of the poll, ``person`` the one who writes.
        """
        extra = message.body.extra
        if message.kind is Kind.POLL and isinstance(extra, Poll):
            await self._ask(tx, message_id(message.ref), extra, now)
        elif message.kind is Kind.VOTE and isinstance(extra, Vote):
            if await tx.one("polls.asked", about) is not None:  # else it has ended, and its result stands
                chosen = self._seal.seal(orjson.dumps(list(extra.answers)), f"{about}|{person}")
                await tx.run("polls.vote", about, person, chosen, message.sent_at)
        elif message.kind is Kind.POLL_END:
            return await self._ended(tx, message, about)
        return message

    async def _ask(self, tx: Tx, ident: str, asked: Poll, now: int) -> None:
        await tx.run("polls.ask", ident, self._seal.seal(orjson.dumps(bodies.to_json(asked)), ident), now)
        for row in await tx.all("polls.old", now - _OPEN, _PAGE):
            await self._forget(tx, row["message"])

    async def _ended(self, tx: Tx, message: Message, about: str) -> Message:
        row = await tx.one("polls.asked", about)
        asked = bodies.from_json(orjson.loads(self._seal.open(bytes(row["asked"]), about))) if row is not None else None
        if not isinstance(asked, Poll):
            return message
        votes = [self._vote(about, one) for one in await tx.all("polls.votes", about)]
        await self._forget(tx, about)
        found = counted(asked, votes)
        return replace(message, body=replace(message.body, text=wording.counts(found), html=None, extra=found))

    def _vote(self, poll: str, row: Row) -> Vote:
        return Vote(tuple(orjson.loads(self._seal.open(bytes(row["chosen"]), f"{poll}|{row['person']}"))))

    async def _forget(self, tx: Tx, poll: str) -> None:
        await tx.run("polls.end_votes", poll)
        await tx.run("polls.end", poll)
