"""A pretend network in memory: the template for a new connector, and a far end in tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bridge.connector import Capabilities
from bridge.files import Files
from bridge.model import Accepted, AccountNews, Address, Body, Delivery, Kind, Message, Person, Ref, Report, Typing
from bridge.receiver import Receiver


class Loopback:
    """Keeps what it is given, files whole. ``before`` may raise, to play a network that fails."""

    def __init__(self, network: str, capabilities: Capabilities | None = None, hub: Receiver | None = None) -> None:
        self._network = network
        self._capabilities = capabilities or Capabilities()
        self.hub = hub
        self.delivered: list[Delivery] = []
        self.calls: list[str] = []
        self.told: list[Report] = []
        self.news: list[AccountNews] = []
        self.signs: list[Typing] = []
        self.people_shown: list[Person] = []
        self.before: Callable[[Delivery], None] = lambda _: None
        self.files = Files()
        self._refs: dict[str, Ref] = {}

    @property
    def network(self) -> str:
        """See :class:`bridge.connector.Connector`."""
        return self._network

    @property
    def capabilities(self) -> Capabilities:
        """See :class:`bridge.connector.Connector`."""
        return self._capabilities

    async def start(self) -> None:
        """Nothing to begin: this network calls nobody by itself."""

    async def deliver(self, delivery: Delivery) -> Ref:
        """Take a delivery once, however often it comes."""
        self.calls.append(delivery.id)
        files = tuple([await self.files.whole(file) for file in delivery.body.files])
        delivery = replace(delivery, body=replace(delivery.body, files=files)) if files else delivery
        self.before(delivery)
        if delivery.id not in self._refs:
            self.delivered.append(delivery)
            self._refs[delivery.id] = Ref(self._network, f"{self._network}-{len(self.delivered)}")
        return self._refs[delivery.id]

    async def report(self, reports: Sequence[Report]) -> None:
        """Keep what became of messages."""
        self.told.extend(reports)

    async def tell_account(self, news: AccountNews) -> None:
        """Keep what became of an account."""
        self.news.append(news)

    async def show(self, people: Sequence[Person]) -> None:
        """Keep who can be found."""
        self.people_shown.extend(people)

    async def typing(self, typing: Typing) -> None:
        """Keep a typing sign."""
        self.signs.append(typing)

    async def stop(self) -> None:
        """Nothing to end."""

    async def write(
        self, ident: str, chat: str, sender: str, text: str, to: Sequence[str] = (), reply_to: str | None = None
    ) -> Accepted:
        """Say something as a user of this network."""
        assert self.hub is not None
        cited = Ref(self._network, reply_to) if reply_to else None
        message = Message(
            Ref(self._network, ident), chat, Address(self._network, sender), Kind.TEXT, Body(text), 0, tuple(to), cited
        )
        return await self.hub.accept(message)
