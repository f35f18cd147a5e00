"""The other side of the kit's hub: people in memory, who write, react and read when they are told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Address, Body, Delivery, GroupName, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from bridge.receiver import Receiver
from liaison.connect import new_id
from liaison.kit.people import COLLEAGUES

_KINDS = EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION, Kind.HANDLED, Kind.POLL, Kind.VOTE, Kind.POLL_END}

_ABLE = Capabilities(kinds=_KINDS, files=True, urgent=True, mentions=True, locations=True)


@dataclass(frozen=True, slots=True)
class Said:
    """What a colleague says: ``about`` and ``thread`` are ids of this network."""

    text: str = field(default="", repr=False)
    kind: Kind = Kind.TEXT
    about: str | None = None
    to: tuple[str, ...] = ()
    body: Body | None = None
    thread: str | None = None


class Colleagues(Loopback):
    """A network whose people do what the kit wants. ``arrived`` is called with everything that is delivered."""

    def __init__(self, hub: Receiver, arrived: Callable[[Delivery], None] = lambda _: None) -> None:
        super().__init__(COLLEAGUES, _ABLE, hub)
        self._arrived = arrived
        self._ids: dict[str, str] = {}

    async def deliver(self, delivery: Delivery) -> Ref:
        """Take a delivery once."""
        known = delivery.id in self._ids
        ref = await super().deliver(delivery)
        self._ids[delivery.id] = ref.id
        if not known:
            self._arrived(delivery)
        return ref

    def id_of(self, delivery: Delivery) -> str:
        """This network's id of something that was delivered."""
        return self._ids[delivery.id]

    def chat_of(self, delivery: Delivery) -> str:
        """This network's name of its conversation."""
        return delivery.chat or delivery.conversation

    async def say(self, who: str, chat: str, said: Said) -> str:
        """Say something in a conversation, which begins if there is none; gives its id."""
        assert self.hub is not None
        ident = f"{who}-{new_id()}"
        about = None if said.about is None else Ref(COLLEAGUES, said.about)
        body = said.body or Body(said.text)
        thread = None if said.thread is None else Ref(COLLEAGUES, said.thread)
        sender, ref = Address(COLLEAGUES, who), Ref(COLLEAGUES, ident)
        await self.hub.accept(
            Message(ref, chat, sender, said.kind, body, _now(), said.to, reply_to=about, thread=thread)
        )
        return ident

    async def read(self, who: str, ident: str) -> bool:
        """Somebody has read up to a message. False: the hub has not noted yet that it arrived."""
        assert self.hub is not None
        return await self.hub.signs.read(Ref(COLLEAGUES, ident), Address(COLLEAGUES, who), _now())

    async def add(self, who: str, chat: str, handles: Sequence[str]) -> None:
        """Somebody brings others into a conversation."""
        assert self.hub is not None
        ref, by = Ref(COLLEAGUES, f"{who}-{new_id()}"), Address(COLLEAGUES, who)
        await self.hub.change_members(ref, chat, COLLEAGUES, by, list(handles), [])

    async def rename(self, who: str, chat: str, name: str) -> None:
        """Somebody names a conversation."""
        assert self.hub is not None
        await self.hub.rename(Ref(COLLEAGUES, f"{who}-{new_id()}"), chat, Address(COLLEAGUES, who), GroupName(name))


def _now() -> int:
    return time.time_ns() // 1_000_000
