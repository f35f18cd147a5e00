"""A vendor product as a Connector: takes messages in by the API, hands them out by webhooks."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bridge.connector import Capabilities, OwnQueue
from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable
from bridge.files import Files
from bridge.model import AccountNews, Delivery, Handed, Kind, Ref, Report, Typing
from bridge.network import Built, Network, Outfit
from bridge.networks.connect import about, accounts, problems, translate
from bridge.networks.connect.abilities import Declared
from bridge.networks.connect.api import ConnectApi, OnDisk
from bridge.networks.connect.calls.call import RequestLimits
from bridge.networks.connect.contract.operations import PREFIX
from bridge.networks.connect.credentials.by_operators import ProductOperation
from bridge.networks.connect.credentials.reloading import ProductReload
from bridge.networks.connect.credentials.rotation import Credentials
from bridge.networks.connect.credentials.standing import ProductStanding, Standings
from bridge.networks.connect.fingerprints import COMPONENT, Prints
from bridge.networks.connect.log.event_log import Event, EventLog, went_back
from bridge.networks.connect.log.way_out import WayOut
from bridge.networks.connect.products import Product
from bridge.networks.connect.profiles import PROFILES
from bridge.networks.connect.request_body import in_executor
from bridge.networks.connect.settings import ConnectSettings, ProductSettings, read_webhook_secret
from bridge.networks.connect.shelf import COMPONENT as SHELF
from bridge.networks.connect.shelf.address import Lent
from bridge.networks.connect.shelf.shelf import ProductFiles
from bridge.networks.connect.signing import Signer, read_secret
from bridge.networks.connect.users.absences import KeptAbsences
from bridge.networks.connect.users.blocking import Blocking
from bridge.networks.connect.users.endings import Endings
from bridge.networks.connect.users.proofs import KeyFile, NationalLogin, Proofs
from bridge.networks.connect.webhooks import Sessions, Webhook
from bridge.parts.bucket import Bucket
from bridge.ranks import Rank
from bridge.receiver import Receiver
from bridge.seal import Seal
from bridge.signatures import read_public

_log = logging.getLogger(__name__)
_TYPING_TIMEOUT = 2.0
_STOP_TIMEOUT = 4.0
_DAY = 86_400_000  # ms
_LARGE_AT_ONCE = 2  # webhooks with files to one product: each is in memory more than once


class ConnectConnector:
    """One product."""

    def __init__(
        self,
        product: Product,
        out: WayOut,
        labels: Mapping[str, str] | None = None,
        declared: Declared | None = None,
        shelf: ProductFiles | None = None,
        credentials: Credentials | None = None,
        users: tuple[Endings, Blocking, KeptAbsences | None] | None = None,
    ) -> None:
        """``labels``: what people call each product; ``declared``: what products say that they are able to.

        ``shelf``: the files that products may fetch.
        """
        self.standing: Standings | None = None
        self.operation: ProductOperation | None = None
        self._shelf = shelf
        self._declared = declared
        self._credentials = credentials
        self._users = users
        self._product = product
        self._out = out
        self._labels = labels or {}
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    @property
    def network(self) -> str:
        """The product's name."""
        return self._product.name

    @property
    def product(self) -> Product:
        """The product at work."""
        return self._product

    @property
    def label(self) -> str:
        """What people call the product."""
        return self._product.label

    @property
    def capabilities(self) -> Capabilities:
        """Of the profile, as the product and the configuration change them."""
        return self._product.capabilities

    @property
    def operated(self) -> ProductOperation:
        """What operators do for it. Raises Refused where nothing of it is on disk."""
        if self.operation is None:
            raise Refused("no_event_log")
        return self.operation

    async def stand(self) -> ProductStanding:
        """How the product stands, for operators. Raises Unavailable."""
        standing = self.standing or Standings(self._product, None, None, lambda: int(time.time() * 1000))
        return await standing.now()

    async def queues(self, most: int) -> Sequence[OwnQueue]:
        """See :class:`bridge.connector.Queues`: ``unread``, what lies in its log and the product has not."""
        events = self._out.events
        if events is None:
            return []
        waiting, oldest = await events.counted(most)
        read = await events.last_read()
        if read is None and self._out.webhook is None:
            read = 0
        return [OwnQueue("unread", "", waiting, oldest, read=read)]

    async def start(self) -> None:
        """Answer the product's requests, and be able to send webhooks."""
        if self._declared is not None:
            await self._declared.load(self._product)
        if self._credentials is not None:
            await self._credentials.load(self._product)
        await self._out.start()
        if self._users is not None:
            for kept in self._users[1:]:
                if kept is not None:
                    await kept.load(self._product)
            await self._users[0].start(self._product)
        self._product.open = True

    async def stop(self) -> None:
        """From now on every request is answered with 503."""
        self._product.open = False
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                if self._users is not None:
                    await self._users[0].stop(self.network)
                await self._out.stop()
        except TimeoutError:
            _log.warning("connect: %s: connections did not close in time", self.network)

    async def went_back(self, tx: Tx) -> Sequence[str]:
        """See :class:`bridge.connector.GoesBack`."""
        return await went_back(tx, self.network)

    async def take_back(self, message: str) -> None:
        """See :class:`bridge.connector.Lends`."""
        if self._shelf is not None:
            await self._shelf.take_back(message, self.network)

    async def deliver(self, delivery: Delivery) -> Ref | Handed:
        """One attempt. The ``webhook-id`` is the delivery's id, the Ref is the id that the product answers."""
        html = self.capabilities.html
        await self._others(delivery)
        if delivery.body.files and self.capabilities.files_by_url and self._shelf is not None:
            lent = await self._shelf.lend(delivery, f"{PREFIX}/files")
        else:
            lent = [None] * len(delivery.body.files)
        if not all(lent):
            async with self._large:
                delivery = await self._whole(delivery, lent)
                body = await in_executor(lambda: _event(delivery, html, lent))
                return await self._handed(delivery, body)
        return await self._handed(delivery, _event(delivery, html, lent, await self._ranks(delivery)))

    async def _others(self, delivery: Delivery) -> None:
        """A message that was too long for the product is several for it: all of them are taken back."""
        hub, about_ = self._product.hub, delivery.reply_to
        if hub is None or about_ is None or delivery.kind is not Kind.REMOVAL:
            return
        _, names = await hub.facts.parts(about_)
        for n, ref in enumerate((one for one in names if one != about_), 2):
            part = replace(delivery, id=f"{delivery.id}-{n}", reply_to=ref)
            await self._handed(part, _event(part, self.capabilities.html, ()))

    async def _handed(self, delivery: Delivery, body: bytes) -> Ref | Handed:
        sent = await self._out.hand(Event(delivery.id, delivery.conversation, delivery.message, body))
        ref = Ref(self.network, sent.name)
        return Handed(ref, own=True) if sent.waits else ref

    async def _ranks(self, delivery: Delivery) -> Mapping[str, Rank]:
        """What the members may do, where a webhook tells of them."""
        hub = self._product.hub if delivery.kind is Kind.MEMBERS else None
        return translate.NO_RANKS if hub is None else await hub.facts.ranks(delivery.conversation)

    async def _whole(self, delivery: Delivery, lent: Sequence[Lent | None]) -> Delivery:
        """With the bytes of those files that are not to be fetched. Raises Refused, Unavailable."""
        files = self._shelf.files if self._shelf is not None else Files()
        whole = [
            file if at is not None else await files.whole(file)
            for file, at in zip(delivery.body.files, lent, strict=True)
        ]
        return replace(delivery, body=replace(delivery.body, files=tuple(whole)))

    async def report(self, reports: Sequence[Report]) -> None:
        """One webhook. What the product refuses is sent again in halves: only what it refuses alone is lost."""
        if not reports or not self.capabilities.receipts:
            return
        try:
            await self._out.hand(Event(translate.states_id(reports), "states", None, self._states(reports)))
        except Refused:
            if len(reports) == 1:
                _log.warning("connect: %s refused the state of message %s", self.network, reports[0].message)
                return
            half = len(reports) // 2
            await self.report(reports[:half])
            await self.report(reports[half:])

    def _states(self, reports: Sequence[Report]) -> bytes:
        newest = max((state.at for report in reports for state in report.states), default=0)
        return translate.event("message.state", newest, translate.to_states(reports, problems.words))

    async def tell_account(self, news: AccountNews) -> None:
        """One attempt. The ``webhook-id`` is the news' id."""
        data = accounts.to_news(news, self._labels.get(news.claimant, news.claimant))
        body = translate.event(accounts.EVENT_OF[news.event], news.at, data)
        await self._out.hand(Event(news.id, "accounts", None, body))

    async def typing(self, typing: Typing) -> None:
        """Best effort: one short attempt."""
        if not self.capabilities.typing:
            return
        body = translate.event("typing", int(time.time() * 1000), translate.to_typing(typing))
        try:
            await self._out.sign(Event("typing_" + uuid.uuid4().hex, "", None, body), _TYPING_TIMEOUT)
        except (Refused, Unavailable):
            _log.debug("connect: %s did not take a typing sign", self.network)


def _event(
    delivery: Delivery, html: bool, lent: Sequence[Lent | None] = (), ranks: Mapping[str, Rank] = translate.NO_RANKS
) -> bytes:
    """The webhook of a delivery. ``lent``: where its files can be fetched."""
    if delivery.kind in about.KINDS:
        return about.to_event(delivery, html)
    return translate.to_event(delivery, html, ranks, lent)


def build(
    section: ConnectSettings,
    seal: Seal | None = None,
    hub: Receiver | None = None,
    db: Database | None = None,
    files: Files | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> tuple[ConnectApi, dict[str, ConnectConnector]]:
    """The API and one connector for each product. Raises ValueError or OSError for secrets that cannot be read.

    With ``seal``, and :data:`bridge.networks.connect.fingerprints.COMPONENT` in the hub's database, an id that is used
    again for something else is refused; with ``db``, products may declare what they are able to.
    """
    declared = Declared(db) if db is not None else None
    credentials = Credentials(db, seal, lambda: int(clock() * 1000)) if db is not None and seal is not None else None
    users = _users(db, seal, lambda: int(clock() * 1000))
    shelf = _shelf(section, seal, db, files, clock)
    sessions = Sessions()
    products = {name: _product(name, settings, hub) for name, settings in section.products.items()}
    for name, settings in section.products.items():
        products[name].judge = _proofs(name, settings, clock).judge
    labels = {name: product.label for name, product in products.items()}
    connectors = dict[str, ConnectConnector]()
    for name, settings in section.products.items():
        webhook = _webhook(name, settings, sessions, clock) if settings.webhook_url else None
        events = _log_of(name, settings, db, seal, clock)
        out = products[name].out = WayOut(name, webhook, events, hub)
        made = ConnectConnector(products[name], out, labels, declared, shelf, credentials, users)
        made.standing = standing = Standings(products[name], settings.webhook_url, db, lambda: int(clock() * 1000))
        if credentials is not None and db is not None:
            made.operation = ProductOperation(products[name], credentials, standing, db, lambda: int(clock() * 1000))
        connectors[name] = made
    limits = RequestLimits(
        body_bytes=section.max_body_bytes,
        room_bytes=section.max_bodies_bytes,
        text_bytes=section.max_text_bytes,
        body_timeout_s=section.body_timeout_s,
        certificate_from_proxy=section.client_certificate_from_proxy,
    )
    kept = OnDisk(Prints(seal) if seal else None, declared, credentials, shelf, *(users or ()))
    return ConnectApi(products, limits, kept, clock=clock), connectors


def _users(
    db: Database | None, seal: Seal | None, now: Callable[[], int]
) -> tuple[Endings, Blocking, KeptAbsences | None] | None:
    if db is None:
        return None
    return Endings(db, now), Blocking(db, now), None if seal is None else KeptAbsences(db, seal, now)


def _shelf(
    section: ConnectSettings, seal: Seal | None, db: Database | None, files: Files | None, clock: Callable[[], float]
) -> ProductFiles | None:
    if seal is None or db is None or files is None:
        return None
    return ProductFiles(
        db, seal, files, clock,
        public_url=section.public_url, address_s=section.file_address_s, days=section.files_days,
    )  # fmt: skip


def _product(name: str, settings: ProductSettings, hub: Receiver | None) -> Product:
    profile = PROFILES[settings.profile]
    return Product(
        hub=hub,
        name=name,
        label=settings.label or profile.label,
        capabilities=settings.carries,
        profile=profile.capabilities,
        fixed=settings.capabilities.fixed,
        bucket=Bucket(settings.rate_per_second, settings.burst),
        tokens=tuple(bytes.fromhex(token.removeprefix("sha256:")) for token in settings.tokens),
        certificates=tuple(bytes.fromhex(digest) for digest in settings.client_certificate_sha256),
    )


def _proofs(name: str, settings: ProductSettings, clock: Callable[[], float]) -> Proofs:
    where, login = f"networks.connect.products.{name}", settings.national_login
    try:
        keys = [read_public(path.read_bytes()) for path in settings.assertion_keys]
        national = None
        if login is not None:
            national = NationalLogin(login.issuer, login.audience, KeyFile(login.jwks_file), login.acr)
    except OSError as error:
        raise ValueError(f"{where}: {error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{where}: assertion_keys, national_login: {error}") from None
    return Proofs(name, keys, national, clock)


def _log_of(
    name: str, settings: ProductSettings, db: Database | None, seal: Seal | None, clock: Callable[[], float]
) -> EventLog | None:
    if settings.log_days is None or db is None or seal is None:
        return None
    kept, most = int(settings.log_days * _DAY), settings.events_max_bytes
    return EventLog(name, db, seal, kept=kept, most=most, clock=lambda: int(clock() * 1000))


def _keys(name: str, settings: ProductSettings) -> list[bytes]:
    """The secrets that sign a product's webhooks. Raises ValueError."""
    try:
        return [read_secret(read_webhook_secret(secret)) for secret in settings.webhook_secrets]
    except OSError as error:
        said = f"{error.strerror}: {error.filename}"
        raise ValueError(f"networks.connect.products.{name}.webhook_secrets: {said}") from None
    except ValueError as error:
        raise ValueError(f"networks.connect.products.{name}.webhook_secrets: {error}") from None


def _webhook(
    name: str, settings: ProductSettings, sessions: Sessions, clock: Callable[[], float] = time.time
) -> Webhook:
    keys = _keys(name, settings)
    try:
        tls = None if settings.webhook_ca_file is None else ssl.create_default_context(cafile=settings.webhook_ca_file)
    except OSError as error:  # ssl.SSLError is one
        said = f"{error.strerror or error}: {settings.webhook_ca_file}"
        raise ValueError(f"networks.connect.products.{name}.webhook_ca_file: {said}") from None
    assert settings.webhook_url is not None
    return Webhook(settings.webhook_url, Signer(keys, clock), sessions, timeout=settings.webhook_timeout_s, tls=tls)


def _build(section: ConnectSettings, outfit: Outfit) -> Built:
    api, connectors = build(section, outfit.seal, outfit.hub, outfit.db, outfit.files)
    products = {name: one.product for name, one in connectors.items()}
    return Built([*connectors.values()], api.routes, ProductReload(section, products, _keys).take)


def _prove(section: ConnectSettings, seal: Seal) -> None:
    for name, settings in section.products.items():
        if settings.webhook_url:
            _webhook(name, settings, Sessions())


NETWORK = Network(ConnectSettings, _build, _prove, tables=(COMPONENT, SHELF), always=True)
