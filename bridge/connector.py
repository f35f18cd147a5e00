"""The contract between the hub and an edge: two verbs for messages, and what belongs to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.db import Tx
from bridge.model import Accepted, Address, Delivery, Message, Ref, Report, Typing

Within = Callable[[Tx], Awaitable[None]]
"""What an edge wants written in the very transaction in which the hub accepts."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network can carry. The hub turns what does not survive into text, or refuses it visibly."""

    html: bool = True
    replies: bool = True
    threads: bool = True
    typing: bool = True
    receipts: bool = True
    max_text: int = 60_000  # bytes of UTF-8
    echoes: bool = False  # the network shows our own messages back in its order: it decides the order of the conversation


class Receiver(Protocol):
    """What the hub offers to an edge."""

    async def accept(self, message: Message, within: Within | None = None) -> Accepted:
        """Return once the message is safely on disk; raises Refused (never) or Unavailable (later)."""

    async def sequenced(self, message: str, within: Within | None = None) -> None:
        """The echoing network has shown this message (hub id) in its order: other legs may have it now."""

    async def read(self, ref: Ref, reader: Address, at: int) -> None:
        """``reader`` has read everything of this conversation up to ``ref``; unknown refs are ignored."""

    async def received(self, ref: Ref, recipient: Address, at: int) -> None:
        """``recipient``'s own device has taken this one message."""

    async def typing(self, network: str, chat: str, who: Address, typing: bool) -> None:
        """Pass a typing sign on; never fails, never stored."""

    async def change_members(
        self, ref: Ref, chat: str, network: str, by: Address, add: Sequence[str], remove: Sequence[Address],
        within: Within | None = None,
    ) -> str:  # fmt: skip
        """Change who is in a conversation; ``ref`` is the idempotency key. Gives the conversation's id."""


class Connector(Protocol):
    """One network: ``start``, ``deliver``, ``stop`` and what the network can carry."""

    @property
    def network(self) -> str:
        """The name of the network, as in :class:`bridge.model.Address`."""

    @property
    def capabilities(self) -> Capabilities:
        """What survives on this network."""

    async def start(self, hub: Receiver) -> None:
        """Begin to take messages in."""

    async def deliver(self, delivery: Delivery) -> Ref:
        """Hand a message out; gives what the network called it. Must be idempotent by ``delivery.id``.

        Raises Refused (never works: the sender is told) or Unavailable (the lane waits).
        """

    async def report(self, reports: Sequence[Report]) -> None:
        """Tell senders on this network what became of their messages. Raises Unavailable to get them again."""

    async def typing(self, typing: Typing) -> None:
        """Show that somebody writes. Best effort."""

    async def stop(self) -> None:
        """Stop taking messages in, within 5 s."""
