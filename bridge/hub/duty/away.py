"""Whoever writes to somebody who is absent is told so, once in each conversation and absence, with the substitute.

The notice has an id made of both, so the hub takes it once. What was to be told when the process ends is told with the
next message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import Refused
from bridge.model import Absence, Body, Kind, Message, Ref
from bridge.people.duty.kept_rota import KeptRota
from bridge.people.people import People
from bridge.receiver import Receiver
from bridge.store.store import Store
from bridge.words import sentence

log = logging.getLogger(__name__)
_PATIENCE = 600_000  # ms until a chat that still has no name is left alone
_MOST = 1_000  # that wait to be told


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody (``writer``, a person id) has written at ``at`` (ms) in a conversation to who is absent."""

    conversation: str
    writer: str
    absence: Absence
    at: int


class Away:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, hub: Receiver, store: Store, people: People, rota: KeptRota, clock: Callable[[], int]) -> None:
        self._hub = hub
        self._store = store
        self._people = people
        self._rota = rota
        self._clock = clock
        self._waiting: dict[tuple[str, str], Told] = {}

    def note(self, told: Told) -> None:
        """To be told at the next look: its message is about to be on disk."""
        if len(self._waiting) < _MOST:
            self._waiting.setdefault((told.conversation, told.absence.who), told)

    async def look(self) -> None:
        """Tell what can be told. Raises Unavailable."""
        for key, told in list(self._waiting.items()):
            if await self._tell(told) or self._clock() > told.at + _PATIENCE:
                del self._waiting[key]

    async def _tell(self, told: Told) -> bool:
        """False: her leg has no name for the chat yet, or the conversation is not on disk."""
        if not await self._store.db.all(
            "store.members", told.conversation
        ):  # not on disk yet: nothing may be kept of it
            return False
        whole = await self._store.conversation(told.conversation)
        absent, writer = whole.member(told.absence.who), whole.member(told.writer)
        if absent is not None and whole.legs.get(absent.address.network) is None:
            return False
        if absent is None or writer is None:
            return True
        network = absent.address.network
        ref = Ref(network, f"away:{told.conversation}:{told.absence.who}:{told.absence.begin}")
        body = Body(await self._words(absent.person.name, told.absence), system=True)
        message = Message(
            ref, whole.legs[network] or "", absent.address, Kind.NOTICE, body, self._clock(),
            only=writer.address.network, whom=(told.writer,),
        )  # fmt: skip
        try:
            await self._hub.accept(message)
        except Refused as refusal:
            log.info("nobody is told that %s is absent: %s", told.absence.who, refusal.code)
        return True

    async def _words(self, name: str, absence: Absence) -> str:
        zone = next(iter(self._rota.now.functions.values())).zone.time if self._rota.now.functions else None
        when = f"{datetime.fromtimestamp(absence.end / 1000, zone).astimezone(zone):%d/%m/%Y %H:%M}"
        lines = [sentence("away").format(name=name, when=when)]
        if absence.words:
            lines.append(f"« {absence.words} »")
        if absence.substitute is not None:
            substitute = (await self._people.get(absence.substitute)).name
            lines.append(sentence("away_substitute").format(substitute=substitute))
        return "\n".join(lines)
