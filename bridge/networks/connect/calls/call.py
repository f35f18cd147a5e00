"""One request of a product whose token was right, and the looks that many requests begin with."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.model import Address, Ref
from bridge.networks.connect.fields import ID_PATTERN, Wire
from bridge.networks.connect.products import Product
from bridge.networks.connect.request_body import RequestBody
from bridge.receiver import Chat, Receiver

_ID = re.compile(ID_PATTERN.removesuffix("$"))  # for fullmatch, to which a final line break is no end
LOOKS, WAIT = 8, 0.25  # s; what names a message can be faster than the hub's note of the product's answer
W = TypeVar("W", bound=Wire)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may cost, and ``room_bytes``: what all those may cost together that are larger."""

    body_bytes: int = 256 * 1024  # without files
    room_bytes: int = 192 * 1024 * 1024
    text_bytes: int = 44 * 1024
    body_timeout_s: float = 30.0
    certificate_from_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a product whose token was right."""

    product: Product
    hub: Receiver
    request: web.Request
    body: RequestBody

    @property
    def id(self) -> str:
        """The id in the path. Raises Refused."""
        return known_id(self.request.match_info["id"], "id")

    def number(self, name: str, default: int, bounds: tuple[int, int]) -> int:
        """A number in the query. Raises Refused (invalid) for what is none within the bounds."""
        text = self.request.query.get(name)
        if text is None:
            return default
        if not re.fullmatch("0|[1-9][0-9]{0,15}", text) or not bounds[0] <= int(text) <= bounds[1]:
            raise Refused("invalid", name)
        return int(text)

    @property
    def network(self) -> str:
        """The product's name."""
        return self.product.name

    def parse(self, model: type[W]) -> W:
        """The body. Raises ValidationError, Refused (duplicate_key)."""
        data = self.body.take()
        parsed = model.model_validate_json(data)  # raises ValidationError, answered by answered
        _UNIQUE.decode(data.decode())  # RFC 7493: two readers of one body must not differ
        return parsed

    async def declared(self, user: str, field: str = "user") -> None:
        """Raises Refused (unknown_sender, account_held, account_refused) for somebody who is no user of the product."""
        await self.hub.facts.identify(Address(self.network, user), field)

    async def cited(self, chat: str, ref: Ref | None, field: str) -> None:
        """Raises Refused (unknown_message) for what the hub never had, Unavailable while it may still hear of it."""
        for _ in range(LOOKS):
            if ref is None or await self.hub.facts.cited(ref) is not None:
                return
            await asyncio.sleep(WAIT)
        if await self.hub.facts.unnamed(self.network, chat):
            raise Unavailable("cited_unnamed", 2)
        raise Refused("unknown_message", field)

    async def known_chat(self, chat_id: str) -> Chat:
        """A conversation in which the product has, or had, somebody. Raises Refused (unknown_conversation)."""
        chat = await self.hub.facts.chat(self.network, chat_id)
        if chat is None:
            raise Refused("unknown_conversation", "id")
        return chat

    async def own_chat(self, chat_id: str) -> Chat:
        """A conversation in which the product has somebody. Raises Refused (unknown_conversation)."""
        chat = await self.hub.facts.chat(self.network, chat_id)
        if chat is None or all(member.address.network != self.network for member in chat.members):
            raise Refused("unknown_conversation", "id")
        return chat


def known_id(value: str, field: str) -> str:
    """An id as all are. Raises Refused (invalid)."""
    if not _ID.fullmatch(value):
        raise Refused("invalid", field)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise Refused("duplicate_key")


_UNIQUE = json.JSONDecoder(object_pairs_hook=_unique)
