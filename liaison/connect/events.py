"""Webhooks, and the events of the log, as types; unknown fields are ignored, unknown events are ``Unknown``. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from liaison.connect.answers import Member, MessageState, Name, Person
from liaison.connect.holding import AnswerCount, Card, Location, Poll
from liaison.connect.reading import read, to_time

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIn:
    """A document that came with a message: whole (``content``), or to be fetched by ``id`` or ``url``.

    ``type`` is what its sender said: not proven by the content.
    """

    name: str = field(repr=False)
    type: str
    size: int
    sha256: str
    content: bytes | None = field(default=None, repr=False)
    id: str | None = None
    url: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def intact(self, content: bytes | None = None) -> bool:
        """Whether the content (its own unless given) is what the sender sent."""
        mine = self.content if content is None else content
        return mine is not None and hashlib.sha256(mine).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class _InConversation:
    message: str
    conversation: str
    order: int
    recipients: tuple[str, ...]
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCreated(_InConversation):
    """A message for some of the product's users. Show an unknown ``kind`` as its ``text``."""

    sender: Person
    kind: str = "text"
    text: str = field(default="", repr=False)
    html: str | None = field(default=None, repr=False)
    system: bool = False
    priority: str = "normal"
    members: tuple[Member, ...] = ()
    reply_to: str | None = None
    thread: str | None = None
    files: tuple[FileIn, ...] = field(default=(), repr=False)
    name: Name | None = None
    mentions: tuple[str, ...] = ()
    mentioned: tuple[str, ...] = ()
    everybody: bool = False
    urgent: bool = False
    location: Location | None = None
    poll: Poll | None = None
    contact: Card | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _About(_InConversation):
    sender: Person
    about: str
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(_About):
    """The message ``about`` now reads like this."""

    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRemoved(_About):
    """The message, or the reaction, ``about`` was taken back: show no word of it. ``moderated``: not by its writer."""

    moderated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReaction(_About):
    """Somebody reacts to the message ``about``."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageVote(_About):
    """Somebody votes in the poll ``about``, instead of what they chose before; no answer takes the vote back."""

    answers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHandled(_About):
    """Somebody marks the message ``about`` as dealt with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollEnded(_About):
    """The poll ``about`` has ended; ``counts`` are None where the hub does not know them."""

    text: str = field(repr=False)
    counts: tuple[AnswerCount, ...] | None = field(default=None, repr=False)
    voters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersChanged(_InConversation):
    """The members of the conversation are now these."""

    by: Person
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRenamed(_InConversation):
    """The conversation is now called this; None: it has no name any more."""

    by: Person
    name: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureChanged(_InConversation):
    """The conversation has this picture now; None: it has none any more."""

    by: Person
    picture: FileIn | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStates:
    """What became of messages of the product's users, the full picture of each."""

    messages: tuple[MessageState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingSeen:
    """Somebody begins or stops to write."""

    conversation: str
    person: Person
    typing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNews:
    """What became of a user's account, or of another product's account for the same professional."""

    user: str
    product: str
    label: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Somebody asked for a test event: answer 2xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An event of a newer hub: answer 2xx, and read its ``raw`` if you know better."""


Data = (
    MessageCreated
    | MessageEdited
    | MessageRemoved
    | MessageReaction
    | MessageVote
    | MessageHandled
    | PollEnded
    | MembersChanged
    | ConversationRenamed
    | PictureChanged
    | MessageStates
    | TypingSeen
    | AccountNews
    | Tried
    | Unknown
)
DATA: Mapping[str, type[Data]] = {
    "message.created": MessageCreated,
    "message.edited": MessageEdited,
    "message.removed": MessageRemoved,
    "message.reaction": MessageReaction,
    "message.vote": MessageVote,
    "message.handled": MessageHandled,
    "message.poll_ended": PollEnded,
    "conversation.members": MembersChanged,
    "conversation.renamed": ConversationRenamed,
    "conversation.picture": PictureChanged,
    "message.state": MessageStates,
    "typing": TypingSeen,
    "webhook.test": Tried,
    "user.held": AccountNews,
    "user.accepted": AccountNews,
    "user.refused": AccountNews,
    "user.contested": AccountNews,
    "user.settled": AccountNews,
    "user.revoked": AccountNews,
}
"""What each event carries."""


@dataclass(frozen=True, slots=True)
class Event:
    """``id`` is the ``webhook-id``, the same at every attempt: an event that is known already is a repeat."""

    id: str
    type: str
    at: datetime
    data: Data
    raw: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events of the log in their order; ``next`` is the cursor for what follows.

    Ask with it once they are safely kept: by that the hub knows, and their senders see them delivered. ``whole`` is
    False where something before them was deleted: ask for the conversations anew.
    """

    events: tuple[Event, ...]
    next: str | None
    whole: bool = True


def to_event(ident: str, body: Any) -> Event:
    """The event of a webhook's body. Raises ValueError."""
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        raise ValueError("type: is missing")
    kind, data = body["type"], body.get("data")
    if not isinstance(data, dict):
        raise ValueError("data: not an object")
    known = DATA.get(kind)
    said: Data = Unknown() if known is None else read(known, data)
    return Event(ident, kind, to_time(body.get("timestamp"), "timestamp"), said, body)
