"""The HTTP side of Liaison Connect that products call: one application for all, the bearer token says which."""

from __future__ import annotations

import asyncio
import binascii
import json
import re
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from bridge import vcard
from bridge.errors import Refused, Unavailable
from bridge.model import Account, Address, Kind, Message, Ref
from bridge.networks.connect import abilities, about, accounts, fingerprints, problems, translate
from bridge.networks.connect.abilities import Declared
from bridge.networks.connect.about import NewEdit, NewReaction, NewRemoval
from bridge.networks.connect.fields import ID_PATTERN, Renaming, Wire, from_group_name, people_query, to_group_name
from bridge.networks.connect.files import room_for
from bridge.networks.connect.fingerprints import Prints
from bridge.networks.connect.openapi import written
from bridge.networks.connect.operations import (
    OPERATIONS,
    PREFIX,
    Operation,
)
from bridge.networks.connect.problems import Handler, answered, constant, json_answer, nothing_there
from bridge.networks.connect.products import Product, Tokens
from bridge.networks.connect.request_body import ByteBudget, Reader, RequestBody
from bridge.networks.connect.wire import (
    MembersChange,
    NewMessage,
    Receipt,
    TypingSign,
    Vouch,
    milliseconds,
)
from bridge.receiver import Chat, Receiver, Within

_ID = re.compile(ID_PATTERN.removesuffix("$"))  # for fullmatch, to which a final line break is no end
_CONTACTS = 1_000
_LONGEST_TOKEN = 512
_LOOKS, _WAIT = 8, 0.25  # s; what names a message can be faster than the hub's note of the product's answer
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
        value = self.request.match_info["id"]
        if not _ID.fullmatch(value):
            raise Refused("invalid", "id")
        return value


class ConnectApi:
    """All products' requests. ``clock`` gives seconds since 1970, ``ticks`` seconds that only grow.

    Without ``known`` an id that is used again is not compared with what was said under it first, without ``declared``
    no product can declare what it is able to.
    """

    def __init__(
        self,
        products: Mapping[str, Product],
        limits: RequestLimits = RequestLimits(),
        known: Prints | None = None,
        declared: Declared | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.products = products
        self._limits = limits
        self._known = known
        self._declared = declared
        self._reader = Reader(ByteBudget(limits.room_bytes), limits.body_bytes, limits.body_timeout_s)
        self._tokens = Tokens(products.values())
        self._clock = clock
        self._ticks = ticks

    def application(self) -> web.Application:
        """Everything below ``/connect/v1``. Bodies come as they were sent: it is for the reader to refuse a coding."""
        app = web.Application(handler_args={"auto_decompress": False})
        self.routes(app)
        return app

    def routes(self, app: web.Application) -> None:
        """Add ``/connect/v1`` to an application that leaves bodies as they were sent."""
        found = list[web.AbstractResource]()
        served = [(one.method, one.path, self._handler(one)) for one in OPERATIONS]
        for method, path, handler in [*served, ("GET", "/openapi.json", constant(written()))]:
            route = app.router.add_route(method, PREFIX + path, answered(handler))
            assert route.resource is not None
            found.append(route.resource)
        app.router.add_route("*", PREFIX + "{rest:(/.*)?}", answered(nothing_there(found)))

    def _handler(self, operation: Operation) -> Handler:
        if operation.open:
            return constant(b'{"status":"ok"}')
        act: Callable[[Call], Awaitable[web.Response]] = getattr(self, operation.name)
        has_body = operation.body is not None

        async def handle(request: web.Request) -> web.StreamResponse:
            product = self._authenticated(request)
            wait = product.bucket.take(self._ticks())
            if wait:
                return problems.problem(429, "rate_limited", retry_after=wait)
            if product.hub is None or not product.open:
                raise Unavailable("not_ready", 2)
            with self._reader.room.place(product.name) as place:
                body = (
                    await self._reader.read(request, self._limit(operation, product), place)
                    if has_body
                    else RequestBody()
                )
                return await act(Call(product, product.hub, request, body))

        return handle

    def _limit(self, operation: Operation, product: Product) -> int:
        """The bytes of a body: more only where there may be files, and for those who may send them."""
        able = product.capabilities
        return self._limits.body_bytes + (room_for(able.max_files) if operation.files and able.files else 0)

    def _authenticated(self, request: web.Request) -> Product:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise Refused("unknown_token")
        product = self._tokens.owner(token.strip())
        if product is None:
            raise Refused("unknown_token")
        if product.certificates and not product.accepts_certificate(self._certificate(request)):
            raise Refused("client_certificate")
        return product

    def _certificate(self, request: web.Request) -> bytes | None:
        """The client's certificate (DER): of this connection, or of the proxy's (RFC 9440) where that is trusted."""
        if self._limits.certificate_from_proxy:
            try:
                return b64decode(request.headers.get("Client-Cert", "").strip(" :"), validate=True) or None
            except (binascii.Error, ValueError):
                return None
        tls = request.get_extra_info("ssl_object")
        der: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        return der

    async def send(self, call: Call) -> web.Response:
        """POST /messages."""
        message, said = await self._reader.in_executor(call.body, lambda: self._written(call))
        await _declared(call, message.sender.id, "sender")
        await _cited(call, message.chat, message.reply_to, "reply_to")
        await _cited(call, message.chat, message.thread, "thread")
        wordless = not message.body.text.strip()
        first = self._known.first(message.ref, said, wordless=wordless) if self._known else None
        return await self._accepted(call, message, said, first)

    async def _accepted(self, call: Call, message: Message, said: bytes, first: Within | None) -> web.Response:
        accepted = await call.hub.accept(message, first, self._once(message.ref, said))
        answer = {"id": message.ref.id, "message": accepted.message, "conversation": message.chat, "state": "accepted"}
        return json_answer(answer, 202)

    async def edit(self, call: Call) -> web.Response:
        """POST /messages/{id}/edits."""
        return await self._about(call, NewEdit)

    async def remove(self, call: Call) -> web.Response:
        """POST /messages/{id}/removals."""
        return await self._about(call, NewRemoval)

    async def react(self, call: Call) -> web.Response:
        """POST /messages/{id}/reactions."""
        return await self._about(call, NewReaction)

    async def _about(self, call: Call, model: type[NewEdit | NewRemoval | NewReaction]) -> web.Response:
        target, sent = call.id, _parse(model, call.body)
        now, most = int(self._clock() * 1000), self._limits.text_bytes
        message = about.to_about(call.product.name, target, sent, most, now)
        said = fingerprints.of_message(message)
        await _declared(call, message.sender.id, "sender")
        await _cited(call, message.chat, message.reply_to, "id")
        first = self._known.first(message.ref, said) if self._known else None
        if first is not None and self._known is not None and message.kind is Kind.EDIT:
            first = self._known.correcting(message.reply_to, first)
        return await self._accepted(call, message, said, first)

    async def abilities(self, call: Call) -> web.Response:
        """GET /capabilities."""
        return json_answer(abilities.to_view(call.product.capabilities, call.product.version))

    async def declare_abilities(self, call: Call) -> web.Response:
        """PUT /capabilities."""
        said = _parse(abilities.Abilities, call.body)
        if self._declared is None:
            raise Unavailable("not_ready", 2)
        await self._declared.declare(call.product, said, int(self._clock() * 1000))
        return await self.abilities(call)

    def _written(self, call: Call) -> tuple[Message, bytes]:
        """The message that a product sends, and its print."""
        sent, now = _parse(NewMessage, call.body), int(self._clock() * 1000)
        message = translate.to_message(call.product.name, sent, self._limits.text_bytes, now)
        return message, fingerprints.of_message(message)

    def _once(self, ref: Ref, said: bytes) -> Within | None:
        """An id stands for one request only."""
        return self._known.same(ref, said) if self._known else None

    async def message(self, call: Call) -> web.Response:
        """GET /messages/{id}."""
        status = await call.hub.facts.status(Ref(call.product.name, call.id))
        if status is None:
            raise Refused("unknown_message", "id")
        return json_answer(translate.to_status(status, problems.words))

    async def declare(self, call: Call) -> web.Response:
        """PUT /users/{id}."""
        user = call.id
        vouched = _parse(Vouch, call.body)
        return json_answer(self._user(await call.hub.declare(Address(call.product.name, user), vouched.rpps)))

    async def user(self, call: Call) -> web.Response:
        """GET /users/{id}."""
        account = await call.hub.facts.account(Address(call.product.name, call.id))
        if account is None:
            raise Refused("unknown_user", "id")
        return json_answer(self._user(account))

    def _user(self, account: Account) -> dict[str, Any]:
        contested = [accounts.to_contest(claim, self._label(claim.network)) for claim in account.contested]
        more = {"id": account.address.id, "state": account.standing.value, "contested_by": contested}
        return translate.to_person(account.person) | more

    def _label(self, network: str) -> str:
        product = self.products.get(network)
        return product.label if product is not None else network

    async def confirm(self, call: Call) -> web.Response:
        """POST /users/{id}/confirmations."""
        user = Address(call.product.name, call.id)
        said = _parse(accounts.Confirmation, call.body)
        claim = await call.hub.confirm(user, said.product, said.decision == "accept")
        return json_answer(accounts.to_confirmed(claim, self._label(claim.network)))

    async def people(self, call: Call) -> web.Response:
        """GET /people."""
        asked = people_query(call.request.query)
        by = Address(call.product.name, asked.user)
        found = await call.hub.facts.find(asked.words, asked.limit, by, asked.narrowing)
        return json_answer({"people": [translate.to_found(p) for p in found], "next": asked.next(len(found))})

    async def contacts(self, call: Call) -> web.Response:
        """GET /people/contacts.vcf."""
        user = call.request.query.get("user", "")
        if not _ID.fullmatch(user):
            raise Refused("invalid", "user")
        me = await call.hub.facts.identify(Address(call.product.name, user), "user")
        people = await call.hub.facts.contacts(me.id, _CONTACTS)
        file = vcard.compose(vcard.Contact(person) for person in people)
        named = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{vcard.NAME}"'}
        return web.Response(body=file, content_type=vcard.MIME, headers=named)

    async def conversation(self, call: Call) -> web.Response:
        """GET /conversations/{id}."""
        chat_id = call.id
        chat = await _own_chat(call, chat_id)
        others = {m.address.network for m in chat.members} - {call.product.name}
        carried = abilities.to_carried(call.hub.carried(others))
        members = [translate.to_member(m) for m in chat.members]
        return json_answer({"id": chat_id, "members": members, "carried": carried, "name": from_group_name(chat.name)})

    async def members(self, call: Call) -> web.Response:
        """POST /conversations/{id}/members."""
        network, chat_id = call.product.name, call.id
        change = _parse(MembersChange, call.body)
        chat = await _own_chat(call, chat_id)
        leaving = translate.to_leaving(change.remove, chat.members)
        by = Address(network, change.by)
        ref = Ref(network, change.id)
        once = self._once(ref, fingerprints.of_change(chat_id, change))
        await call.hub.change_members(ref, chat_id, network, by, change.add, leaving, once)
        return json_answer({"id": change.id, "conversation": chat_id}, 202)

    async def rename(self, call: Call) -> web.Response:
        """POST /conversations/{id}/name."""
        network, chat_id = call.product.name, call.id
        said = _parse(Renaming, call.body)
        await _own_chat(call, chat_id)
        ref, by = Ref(network, said.id), Address(network, said.by)
        once = self._once(ref, fingerprints.of_renaming(chat_id, said))
        await call.hub.rename(ref, chat_id, by, to_group_name(said.name), once)
        return json_answer({"id": said.id, "conversation": chat_id}, 202)

    async def receipt(self, call: Call) -> web.Response:
        """POST /receipts."""
        receipt = _parse(Receipt, call.body)
        await _declared(call, receipt.user)
        network = call.product.name
        act = call.hub.signs.read if receipt.state == "read" else call.hub.signs.received
        seen = (Ref(network, receipt.message), Address(network, receipt.user), milliseconds(receipt.at))
        for _ in range(_LOOKS):
            if await act(*seen, strict=True):
                return web.Response(status=204)
            await asyncio.sleep(_WAIT)
        raise Refused("unknown_message", "message")

    async def typing(self, call: Call) -> web.Response:
        """POST /typing."""
        sign = _parse(TypingSign, call.body)
        await _declared(call, sign.user)
        network = call.product.name
        await call.hub.signs.typing(network, sign.conversation, Address(network, sign.user), sign.typing)
        return web.Response(status=204)


async def _declared(call: Call, user: str, field: str = "user") -> None:
    """Raises Refused (unknown_sender, account_held, account_refused) for somebody who is no user of the product."""
    await call.hub.facts.identify(Address(call.product.name, user), field)


async def _cited(call: Call, chat: str, ref: Ref | None, field: str) -> None:
    """Raises Refused (unknown_message) for what the hub never had, Unavailable while it may still hear of it."""
    for _ in range(_LOOKS):
        if ref is None or await call.hub.facts.cited(ref) is not None:
            return
        await asyncio.sleep(_WAIT)
    if await call.hub.facts.unnamed(call.product.name, chat):
        raise Unavailable("cited_unnamed", 2)
    raise Refused("unknown_message", field)


async def _own_chat(call: Call, chat_id: str) -> Chat:
    """A conversation in which the product has somebody. Raises Refused (unknown_conversation)."""
    chat = await call.hub.facts.chat(call.product.name, chat_id)
    if chat is None or all(member.address.network != call.product.name for member in chat.members):
        raise Refused("unknown_conversation", "id")
    return chat


def _parse(model: type[W], body: RequestBody) -> W:
    data = body.take()
    parsed = model.model_validate_json(data)  # raises ValidationError, answered by answered
    _UNIQUE.decode(data.decode())  # RFC 7493: two readers of one body must not differ
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise Refused("duplicate_key")


_UNIQUE = json.JSONDecoder(object_pairs_hook=_unique)
