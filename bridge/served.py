"""The networks that a hub serves, by name, and what their connectors offer beside messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from bridge.capabilities import fit, form
from bridge.connector import (
    Admits,
    Boxes,
    Connector,
    Followed,
    Follows,
    GivesBoxes,
    GoesBack,
    Hurries,
    Inside,
    Lends,
    LooksAgain,
    OwnQueue,
    Portrays,
    Queues,
    Ranks,
    Relief,
    Remembers,
    Seats,
    Shows,
    Vouches,
    Withdraws,
)
from bridge.db import Tx
from bridge.kinds import KINDS
from bridge.model import FUNCTION, Address, Delivery, File, Kind, Member, Message, Person
from bridge.ranks import FREE, Rank


@runtime_checkable
class Carries(Protocol):
    """A connector may offer: it carries a kind of message in some chats, or with some words, only."""

    def carries(self, kind: Kind, text: str, chat: str | None) -> bool:
        """Whether something of a kind that it can carry is carried there."""


@runtime_checkable
class Called(Protocol):
    """A connector may offer: what people call its network."""

    @property
    def label(self) -> str:
        """One name, in each language that people here read."""


class Served(Mapping[str, Connector]):
    """Filled once, before anything starts: connectors are made with the hub, and the hub finds them here."""

    def __init__(self, *connectors: Connector) -> None:
        self._connectors: dict[str, Connector] = {}
        self._vouching: dict[str, Vouches] = {}
        self._carrying: dict[str, Carries] = {}
        self._boxes: GivesBoxes | None = None
        self.seats: Seats | None = None
        """Who takes the places that people take in turn, if a network has any."""
        self.add(*connectors)

    def add(self, *connectors: Connector) -> None:
        """Serve these networks too. Raises ValueError for a second connector of one network."""
        for connector in connectors:
            if connector.network in self._connectors:
                raise ValueError(f"two connectors of the network {connector.network}")
            self._connectors[connector.network] = connector
            if isinstance(connector, Vouches):
                self._vouching[connector.network] = connector
            if isinstance(connector, Carries):
                self._carrying[connector.network] = connector
            if isinstance(connector, GivesBoxes):
                self._boxes = connector
            if isinstance(connector, Seats):
                self.seats = connector

    def __getitem__(self, network: str) -> Connector:
        return self._connectors[network]

    def __contains__(self, network: object) -> bool:
        return network in self._connectors

    def __iter__(self) -> Iterator[str]:
        return iter(self._connectors)

    def __len__(self) -> int:
        return len(self._connectors)

    @property
    def named(self) -> list[str]:
        """The networks that name their chats themselves."""
        return [name for name, connector in self.items() if connector.capabilities.names_chats]

    async def relief(
        self, message: Message, sender: Person, members: Sequence[Member], conversation: str | None
    ) -> Relief:
        """See :meth:`bridge.connector.Seats.relief`; nobody, for what is no word of a person."""
        if self.seats is None or not KINDS[message.kind].said or message.ref.network == FUNCTION:
            return Relief()
        return await self.seats.relief(message, sender, members, conversation)

    def vouched(self, address: Address) -> bool:
        """Whether a trust space vouches for an address that is in no directory."""
        network = self._vouching.get(address.network)
        return network is not None and network.vouched(address)

    def carries(self, network: str, kind: Kind, text: str, chat: str | None) -> bool:
        """Whether a network carries something of a kind in a chat of its own."""
        choosy = self._carrying.get(network)  # to ask a connector for what it offers takes long
        able = kind in self._connectors[network].capabilities.kinds
        return able and (choosy is None or choosy.carries(kind, text, chat))

    def form(self, network: str, kind: Kind, text: str, chat: str | None, answers: bool) -> Kind | None:
        """The kind by which a network gets a message in a chat of its own; see :func:`bridge.kinds.becomes`."""
        answers = answers and self._connectors[network].capabilities.answers
        return form(kind, text, lambda one, said: self.carries(network, one, said, chat), answers)

    def fit(self, delivery: Delivery) -> Delivery:
        """A delivery as its network can carry it. Raises Refused."""
        network, chat = delivery.network, delivery.chat
        able = self._connectors[network].capabilities
        return fit(delivery, able, lambda kind, text: self.carries(network, kind, text, chat))

    def label(self, network: str) -> str:
        """What people call a network."""
        connector = self._connectors[network]
        return connector.label if isinstance(connector, Called) else network

    @property
    def boxes(self) -> Boxes | None:
        """The mailboxes that the hub itself gives, if a network gives any."""
        return self._boxes.boxes if self._boxes is not None else None

    async def queues(self, most: int) -> list[tuple[str, OwnQueue]]:
        """What waits within the edges, with the name of each network; counted up to ``most``. Raises Unavailable."""
        found = [(name, await one.queues(most)) for name, one in self._connectors.items() if isinstance(one, Queues)]
        return [(name, queue) for name, queues in found for queue in queues]

    async def inside(self, network: str, name: str) -> Sequence[OwnQueue]:
        """What of one message waits within a network's edge; ``name``: what it calls it. Raises Unavailable."""
        found = [one for one in self._connectors.values() if one.network == network and isinstance(one, Inside)]
        return [queue for one in found for queue in await one.inside(name)]

    async def hurry(self, network: str) -> None:
        """What waits within a network's edge to leave is tried now. Raises Unavailable."""
        for one in self._connectors.values():
            if one.network == network and isinstance(one, Hurries):
                await one.hurry()

    def look_again(self) -> None:
        """Every list from elsewhere is asked for at once, in the background."""
        for one in self._connectors.values():
            if isinstance(one, LooksAgain):
                one.look_again()

    @property
    def followed(self) -> list[Followed]:
        """The lists from elsewhere by which the networks judge."""
        return [each for one in self._connectors.values() if isinstance(one, Follows) for each in one.followed]

    async def show(self, people: Sequence[Person]) -> None:
        """These people can be reached from now on: networks make ready what is needed to find them."""
        for connector in self._connectors.values():
            if isinstance(connector, Shows):
                await connector.show(people)

    async def portray(self, person: Person, picture: File | None) -> None:
        """Every network that can shows this picture of somebody. Raises Refused, Unavailable."""
        for connector in self._connectors.values():
            if isinstance(connector, Portrays):
                await connector.portray(person, picture)

    async def take_back(self, delivery: Delivery) -> None:
        """A message is taken back: its network fetches no file of it any more."""
        connector, about = self._connectors[delivery.network], delivery.cites[0]
        if KINDS[delivery.kind].erases and about is not None and isinstance(connector, Lends):
            await connector.take_back(about)

    async def went_back(self, tx: Tx) -> list[tuple[str, str]]:
        """The database is an older copy. Gives (network, name) of what networks themselves may hand over again."""
        found = []
        for name, connector in self._connectors.items():
            if isinstance(connector, GoesBack):
                found += [(name, again) for again in await connector.went_back(tx)]
        return found

    async def withdraw(self, address: Address, reason: str) -> None:
        """What a network itself keeps for an address until it leaves is refused."""
        for name, connector in self._connectors.items():
            if name == address.network and isinstance(connector, Withdraws):
                await connector.withdraw(address, reason)

    def remembering(self, network: str) -> Remembers | None:
        """A network that can be read again."""
        for name, connector in self._connectors.items():
            if name == network and isinstance(connector, Remembers):
                return connector
        return None

    async def ranks(self, legs: Mapping[str, str | None], members: Sequence[Member]) -> dict[str, Rank]:
        """What the members of a conversation may do, by person id; ``legs``: its chats."""
        found = {member.person.id: FREE for member in members}
        for name, connector in self._connectors.items():
            if isinstance(connector, Ranks) and (chat := legs.get(name)) is not None:
                found |= await connector.ranks(chat, members)
        return found

    async def admit(self, network: str, chat: str, person: Person, account: Address) -> None:
        """Somebody is asked to take part in a chat by their own account. Raises Refused, Unavailable."""
        for name, connector in self._connectors.items():
            if name == network and isinstance(connector, Admits):
                await connector.admit(chat, person, account)
