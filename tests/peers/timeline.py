"""What a person sees in a client: messages in order, read marks, invitations; filled by the code of the client."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
PATIENCE = 120.0  # seconds; reached in failure only
STATUS = "com.beeper.message_send_status"  # MSC2364: what became of a message


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a client shows it.

    ``trust`` is the client's own word for the device that the message came from, None for a message that was not
    encrypted. ``failure`` is the client's own reason why the message cannot be read.
    """

    event_id: str
    sender: str
    type: str
    body: str = ""
    html: str | None = None
    cites: str | None = None
    trust: str | None = None
    failure: str | None = None

    @classmethod
    def of(cls, event_id: str, sender: str, kind: str, content: Json, trust: object) -> Shown:
        """A message that can be read."""
        relates = content.get("m.relates_to") or {}
        cited = relates.get("m.in_reply_to", {}).get("event_id") or relates.get("event_id")
        word = None if trust is None else str(trust)
        return cls(event_id, sender, kind, content.get("body", ""), content.get("formatted_body"), cited, word)


@dataclass
class Timeline:
    """All rooms of one client."""

    rooms: defaultdict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    receipts: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    typing: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    invitations: list[str] = field(default_factory=list)
    statuses: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    tellers: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # who sent the statuses
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, room: str, shown: Shown) -> None:
        """Put a message at its place: the place of its first sight, if it could not be read then."""
        seen = self.rooms[room]
        place = next((n for n, other in enumerate(seen) if other.event_id == shown.event_id), None)
        if place is None:
            seen.append(shown)
        else:
            seen[place] = shown
        self.changed()

    def say(self, room: str, sender: str, status: Json) -> None:
        """Note what became of a message, and who said so."""
        self.tellers[room].add(sender)
        self.statuses[room][status["m.relates_to"]["event_id"]] = status["status"]
        self.changed()

    def invited(self, room: str) -> None:
        """Note an invitation."""
        self.invitations.append(room)
        self.changed()

    def changed(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()

    async def until(self, true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Wait for a condition that holds after some change. Raises TimeoutError with what is shown."""
        try:
            async with asyncio.timeout(patience):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{what} is not shown: {dict(self.rooms)}") from None

    async def text(self, room: str, body: str) -> Shown:
        """Wait for a readable message with this text."""

        def found() -> Shown | None:
            return next((shown for shown in self.rooms[room] if shown.body == body and not shown.failure), None)

        await self.until(found, body)
        shown = found()
        assert shown is not None
        return shown

    async def wait(self, room: str, fits: Callable[[Shown], object]) -> Shown:
        """Wait for the first readable event that fits."""

        def found() -> Shown | None:
            return next((shown for shown in self.rooms[room] if not shown.failure and fits(shown)), None)

        await self.until(found, "an event")
        shown = found()
        assert shown is not None
        return shown

    async def event(self, room: str, event_id: str, fits: Callable[[Shown], object] = lambda _: True) -> Shown:
        """Wait for one event, in a form that fits."""

        def found() -> Shown | None:
            return next((shown for shown in self.rooms[room] if shown.event_id == event_id and fits(shown)), None)

        await self.until(found, event_id)
        shown = found()
        assert shown is not None
        return shown

    async def status(self, room: str, event_id: str) -> str:
        """Wait for the word of the other side on an event (``com.beeper.message_send_status``)."""
        await self.until(lambda: event_id in self.statuses[room], f"the status of {event_id}")
        return self.statuses[room][event_id]

    def bodies(self, room: str, sender: str | None = None) -> list[str]:
        """The texts that can be read, in their order; of one sender or of all."""
        readable = [shown for shown in self.rooms[room] if not shown.failure and shown.type == "m.room.message"]
        return [shown.body for shown in readable if sender in (None, shown.sender)]
