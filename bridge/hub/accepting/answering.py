"""Which reactions are said as a text to a network that does not show them: few, so that signs do not become noise."""

from __future__ import annotations

from bridge.db import Tx
from bridge.kinds import KINDS, Unable
from bridge.model import Message, Person
from bridge.parts.lru import Lru
from bridge.store.store import Store

_REMEMBERED = 10_000  # messages that were answered by a sign
MOST = 5  # people whose signs about one message are said


class Answering:
    """Remembers, as long as the hub lives, whose sign about which message was said."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: Lru[str, tuple[str, ...]] = Lru(_REMEMBERED)

    async def network(self, tx: Tx, message: Message, sender: Person) -> str | None:
        """Where what a message is about was written; None also for the second sign of one person, and the sixth of all.

        There somebody waits for an answer, and a sign is one: it is said, where it cannot be shown.
        """
        if not KINDS[message.kind].about or message.reply_to is None:
            return None
        row = await tx.one("store.writer", message.reply_to.network, message.reply_to.id)
        if row is None:
            return None
        if KINDS[message.kind].unable is Unable.ANSWER and not self._first(row["id"], sender.id):
            return None
        return str(row["network"])

    def says(self, message: str, sender: str) -> bool:
        """Whether a sign of somebody (a person id) about a message (hub id) would be said now."""
        said = self._said.peek(message) or ()
        return sender not in said and len(said) < MOST

    def _first(self, message: str, sender: str) -> bool:
        if not self.says(message, sender):
            return False
        self._said.put(message, (*(self._said.get(message) or ()), sender))
        return True
