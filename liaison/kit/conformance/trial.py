"""What every scenario has: the hub, what stands on both sides of it, the product's driver, and the judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bridge.model import Delivery, Kind
from liaison.connect import new_id
from liaison.connect.reading import to_time
from liaison.kit.colleagues import Colleagues, Said
from liaison.kit.conformance.driver import TestDriver
from liaison.kit.conformance.front import Front, Request
from liaison.kit.conformance.judge import Judge
from liaison.kit.conformance.tap import Call, Tap
from liaison.kit.hub import SmallHub
from liaison.kit.people import BEN, USERS

T = TypeVar("T")
Json = dict[str, Any]
_LOOK = 0.02  # s


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: ``patience`` for what the product has to do, ``settle`` for it to show what it has answered 2xx to,
    ``answer`` for the answer to a webhook."""

    patience: float = 15.0
    settle: float = 3.0
    answer: float = 5.0


@dataclass(frozen=True, slots=True)
class Came:
    """A colleague's message that the product was given: in which chat of theirs, its id there, and the webhook."""

    chat: str
    ident: str
    call: Call

    @property
    def message(self) -> str:
        """The product's id of it."""
        return self.call.given

    @property
    def conversation(self) -> str:
        """As the product knows it."""
        return str(self.call.data.get("conversation", ""))


@dataclass(frozen=True, slots=True)
class Sent:
    """A user's message: the product's ids, the request that took it to the hub, and what arrived at the colleague."""

    message: str
    conversation: str
    request: Request
    delivery: Delivery


class Silence(Exception):
    """Something that a scenario needs did not come; its lines say what."""


@dataclass(slots=True)
class Trial:
    """One run against one product."""

    hub: SmallHub
    tap: Tap
    front: Front
    driver: TestDriver
    judge: Judge
    limits: Limits
    users: dict[str, str] = field(default_factory=dict)
    able: frozenset[str] = frozenset()

    @property
    def colleagues(self) -> Colleagues:
        """The people on the other side."""
        return self.hub.colleagues

    @property
    def cleo(self) -> str:
        """The product's id of the first user."""
        return self.users[USERS[0].rpps]

    @property
    def secret(self) -> str:
        """With which webhooks are signed."""
        return self.hub.product.secret

    # ---- waiting

    async def eventually(self, look: Callable[[], T | None]) -> T | None:
        """The first thing seen, or None once patience is at its end."""
        return await _until(look, self.limits.patience)

    async def shown(self, look: Callable[[list[Json]], object], user: str, conversation: str = "") -> bool:
        """Whether a user sees it in good time, after the product has answered."""
        return await self.settled(lambda: self._look(look, user, conversation))

    async def _look(self, look: Callable[[list[Json]], object], user: str, conversation: str) -> bool:
        return bool(look(await self.driver.messages(user, conversation)))

    async def settled(self, look: Callable[[], Awaitable[object]]) -> bool:
        """Whether it is so within ``settle``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.settle
        while not await look():
            if loop.time() >= end:
                return False
            await asyncio.sleep(_LOOK)
        return True

    # ---- what people do

    async def from_ben(self, text: str = "", match: str = "text", **said: Any) -> Came:
        """Ben begins a conversation with the first user. Raises Silence when the product never takes it.

        ``match``: by what of it its webhook is known, its text, or that it holds something.
        """
        text = text or f"Bonjour {new_id()[:8]}"
        chat = f"ben-{new_id()}"
        ident = await self.say(chat, Said(text, to=(f"{self.hub.product.name}:{self.cleo}",), **said))
        looked = (
            (lambda call: call.data.get("text") == text) if match == "text" else (lambda call: call.data.get(match))
        )
        return Came(chat, ident, await self.called(looked))

    async def say(self, chat: str, said: Said, who: str = BEN.account) -> str:
        """A colleague says something."""
        return await self.colleagues.say(who, chat, said)

    async def called(self, match: Callable[[Call], bool]) -> Call:
        """The webhook that the product took. Raises Silence."""
        found = await self.eventually(lambda: self.tap.found(lambda call: call.taken and match(call)))
        if not found:
            raise Silence("a webhook was not answered 2xx")
        return found[0]

    async def to_ben(self, text: str = "", **more: Any) -> Sent:
        """The first user begins a conversation with Ben, or goes on with one. Raises Silence."""
        text = text or f"Bonsoir {new_id()[:8]}"
        if "conversation" not in more:
            more["to"] = [BEN.person.id]
        said = await self.driver.write(self.cleo, text, **more)
        delivery = await self.delivered(lambda one: one.body.text == text)
        if delivery is None:
            raise Silence("a message of the product did not arrive")
        ident = str(said.get("id", ""))
        [request, *_] = self.front.found(lambda one: one.has(text=text))
        return Sent(ident, str(said.get("conversation", "")), request, delivery)

    async def delivered(self, match: Callable[[Delivery], bool], kind: Kind | None = None) -> Delivery | None:
        """What arrived at the colleagues."""

        def look() -> Delivery | None:
            all_of_them = (one for one in self.colleagues.delivered if kind is None or one.kind is kind)
            return next((one for one in all_of_them if match(one)), None)

        return await self.eventually(look)

    # ---- what the hub did not send

    def like(self, came: Came, *, event: str = "message.created", **said: Any) -> Json:
        """A webhook like one that came, which says something else."""
        data = came.call.data | {"message": new_id()} | said
        return came.call.event | {"type": event, "data": data}

    async def forged(self, event: Json, **how: Any) -> Call:
        """Send it under an id of its own."""
        return await self.tap.forge(f"kit-{new_id()}", event, **how)

    @staticmethod
    def skew(request: Request) -> float | None:
        """Seconds by which the time of a message is ahead of when it came; None: it has no time."""
        said = request.body.get("sent_at") if isinstance(request.body, dict) else None
        try:
            return to_time(said).timestamp() - request.wall
        except ValueError:
            return None


async def _until(look: Callable[[], T | None], seconds: float) -> T | None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (found := look()):
        if loop.time() >= end:
            return found
        await asyncio.sleep(_LOOK)
    return found
