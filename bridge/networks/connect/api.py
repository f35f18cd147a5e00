"""The HTTP side of Liaison Connect that products call: one application for all, the bearer token says which."""

from __future__ import annotations

import binascii
import math
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.networks.connect import problems
from bridge.networks.connect.abilities import Declared
from bridge.networks.connect.calls.absences import AbsenceCalls
from bridge.networks.connect.calls.blocking import BlockCalls
from bridge.networks.connect.calls.call import Call, RequestLimits, known_id
from bridge.networks.connect.calls.conversations import ConversationCalls
from bridge.networks.connect.calls.credentials import CredentialCalls
from bridge.networks.connect.calls.endings import EndCalls
from bridge.networks.connect.calls.events import EventCalls
from bridge.networks.connect.calls.files import FileCalls
from bridge.networks.connect.calls.lists import ListCalls
from bridge.networks.connect.calls.messages import MessageCalls
from bridge.networks.connect.calls.signs import SignCalls
from bridge.networks.connect.calls.users import UserCalls
from bridge.networks.connect.contract.openapi import written
from bridge.networks.connect.contract.operations import OPERATIONS, PREFIX, Operation
from bridge.networks.connect.contract.page import HEADERS, written_page
from bridge.networks.connect.credentials.rotation import Credentials
from bridge.networks.connect.files import room_for
from bridge.networks.connect.fingerprints import Prints
from bridge.networks.connect.problems import Handler, answered, constant, made_when_asked, nothing_there
from bridge.networks.connect.products import Product, Tokens
from bridge.networks.connect.profiles import MAX_FILES
from bridge.networks.connect.request_body import ByteBudget, Reader, RequestBody
from bridge.networks.connect.shelf.shelf import ProductFiles
from bridge.networks.connect.users.absences import KeptAbsences
from bridge.networks.connect.users.blocking import Blocking
from bridge.networks.connect.users.endings import Endings
from bridge.parts.bucket import Bucket

_LONGEST_TOKEN = 512


async def _no_word_yet(_: web.Request) -> None:
    """``Expect: 100-continue`` is answered when the size that is announced is known to be right."""


_EXPECT = {"/files": _no_word_yet}
_LIMITS = RequestLimits()


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What is on the hub's disk for the API.

    Without ``known`` an id that is used again is not compared with what was said under it first, without ``declared``
    no product can declare what it is able to, without ``credentials`` none changes its token, without ``shelf`` files
    travel in messages only, without ``endings`` none gives a user up, wants nothing of somebody or is away.
    """

    known: Prints | None = None
    declared: Declared | None = None
    credentials: Credentials | None = None
    shelf: ProductFiles | None = None
    endings: Endings | None = None
    blocking: Blocking | None = None
    absences: KeptAbsences | None = None


_NOTHING = OnDisk()


class ConnectApi:
    """All products' requests. ``clock`` gives seconds since 1970, ``ticks`` seconds that only grow.

    ``kept``: what is known of products on disk.
    """

    def __init__(
        self,
        products: Mapping[str, Product],
        limits: RequestLimits = _LIMITS,
        kept: OnDisk = _NOTHING,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.products = products
        self._limits = limits
        self._reader = Reader(ByteBudget(limits.room_bytes), limits.body_bytes, limits.body_timeout_s)
        self._tokens = Tokens(products.values())
        self._ticks = ticks
        self._clock = clock
        self._credentials = credentials = kept.credentials
        self._shelf = kept.shelf
        users = UserCalls(products, kept.endings)
        self._calls = (
            MessageCalls(self._reader, kept.known, limits.text_bytes, clock, kept.shelf),
            FileCalls(kept.shelf, limits.body_timeout_s),
            users,
            ListCalls(users.view),
            EndCalls(kept.endings, users.view),
            BlockCalls(kept.blocking),
            AbsenceCalls(kept.absences, clock),
            ConversationCalls(kept.known),
            SignCalls(kept.declared, clock),
            EventCalls(clock),
            CredentialCalls(credentials, clock),
        )

    def application(self) -> web.Application:
        """Everything below ``/connect/v1``. Bodies come as they were sent: it is for the reader to refuse a coding."""
        app = web.Application(handler_args={"auto_decompress": False})
        self.routes(app)
        return app

    def routes(self, app: web.Application) -> None:
        """Add ``/connect/v1`` to an application that leaves bodies as they were sent."""
        found = list[web.AbstractResource]()
        served = [(one.method, one.path, self._handler(one)) for one in OPERATIONS]
        for method, path, handler in [*served, ("GET", "/openapi.json", made_when_asked(written))]:
            route = app.router.add_route(method, PREFIX + path, answered(handler), expect_handler=_EXPECT.get(path))
            assert route.resource is not None
            found.append(route.resource)
        app.router.add_route("GET", "/connect/docs", made_when_asked(written_page, "text/html", HEADERS))
        app.router.add_route("*", PREFIX + "{rest:(/.*)?}", answered(nothing_there(found)))

    def _handler(self, operation: Operation) -> Handler:
        if operation.open:
            return constant(b'{"status":"ok"}')
        act = self._act(operation.name)
        has_body = operation.body is not None

        async def act_on(product: Product, token: bytes, request: web.Request) -> web.StreamResponse:
            if product.hub is None or not product.open:
                raise Unavailable("not_ready", 2)
            if token in product.unused and self._credentials is not None:
                await self._credentials.used(product, token)
            with self._reader.room.place(product.name) as place:
                body = (
                    await self._reader.read(request, self._limit(operation, product), place)
                    if has_body
                    else RequestBody()
                )
                return await act(Call(product, product.hub, request, body))

        async def handle(request: web.Request) -> web.StreamResponse:
            product, token = await self._caller(operation, request)
            if wait := product.bucket.take(self._ticks()):
                answer: web.StreamResponse = problems.problem(429, "rate_limited", retry_after=wait)
            else:
                answer = await answered(partial(act_on, product, token))(request)
            if not answer.prepared:
                answer.headers.update(_limits_of(product.bucket) | operation.ends)
            return answer

        return handle

    async def _caller(self, operation: Operation, request: web.Request) -> tuple[Product, bytes]:
        """The product, and the print of its token; of a signed address, which stands for one, there is none."""
        if not operation.signed or "signature" not in request.query or self._shelf is None:
            return self._authenticated(request)
        owner = await self._shelf.owner(known_id(request.match_info["id"], "id"), dict(request.query))
        product = self.products.get(owner)
        if product is None:
            raise Refused("unknown_file", "id")
        self._certified(product, request)
        return product, b""

    def _act(self, name: str) -> Callable[[Call], Awaitable[web.StreamResponse]]:
        """The method of one of the subjects that does an operation."""
        [act] = [getattr(subject, name) for subject in self._calls if hasattr(subject, name)]
        found: Callable[[Call], Awaitable[web.StreamResponse]] = act
        return found

    def _limit(self, operation: Operation, product: Product) -> int:
        """The bytes of a body: more only where there may be files, and for those who may send them."""
        able = product.capabilities
        return self._limits.body_bytes + (
            room_for(min(able.max_files, MAX_FILES)) if operation.files and able.files else 0
        )

    def _authenticated(self, request: web.Request) -> tuple[Product, bytes]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
            raise Refused("unknown_token")
        owner = self._tokens.owner(token.strip(), int(self._clock() * 1000))
        if owner is None:
            raise Refused("unknown_token")
        product, digest = owner
        self._certified(product, request)
        return product, digest

    def _certified(self, product: Product, request: web.Request) -> None:
        if product.certificates and not product.accepts_certificate(self._certificate(request)):
            raise Refused("client_certificate")

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


def _limits_of(bucket: Bucket) -> dict[str, str]:
    """What is left to a product (draft-ietf-httpapi-ratelimit-headers): requests, and seconds until all are there."""
    left, full = bucket.left
    return {
        "RateLimit-Limit": str(bucket.burst),
        "RateLimit-Remaining": str(left),
        "RateLimit-Reset": str(math.ceil(full)),
    }
