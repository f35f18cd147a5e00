"""The words of Connect about lists, and the cursors by which they go on. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from pydantic import Field

from bridge.errors import Refused
from bridge.networks.connect.fields import NameView, Time, Wire, from_group_name, time_text
from bridge.networks.connect.translate import Say, summary, to_member, to_person, to_recipient
from bridge.networks.connect.wire import MemberView, PersonView, RecipientView, StateName, UserView
from bridge.receiver import Chat, PastMessage, PastWords

Json = dict[str, Any]
MOST, DEFAULT = 200, 50
PAGE = 50  # of what is read again: each has to be decrypted
LIST_CURSOR = "^[A-Za-z0-9_-]{1,400}$"
_NEXT = "The `cursor` of the next page; null: there is none. A page may be short, or empty, and not be the last."


class ListedConversation(Wire):
    """A conversation in a list."""

    id: str
    members: list[MemberView]
    name: NameView | None = Field(default=None, repr=False)


class ConversationsView(Wire):
    """The conversations of the product's users, or of one of them."""

    items: list[ListedConversation]
    next: str | None = Field(description=_NEXT)


class UsersView(Wire):
    """Everybody whom the product has declared."""

    items: list[UserView]
    next: str | None = Field(description=_NEXT)


class PeopleView(Wire):
    """People."""

    items: list[PersonView]
    next: str | None = Field(description=_NEXT)


class MembersView(Wire):
    """The members of a conversation."""

    items: list[MemberView]
    next: str | None = Field(description=_NEXT)


class SaidView(Wire):
    """A message of a conversation, without its text: the hub keeps none."""

    id: str | None = Field(description="The product's id of it; null: the product has not answered its webhook yet.")
    message: str = Field(description="The hub's id of the message.")
    order: int
    kind: str = Field(description="text, notice, emote, edit, removal, reaction, members, name; there may be more.")
    sender: PersonView
    own: bool = Field(description="The product handed it in: then `recipients` are all, else the product's users only.")
    state: StateName
    recipients: list[RecipientView]
    sent_at: Time
    accepted_at: Time


class MessagesView(Wire):
    """What the product handed in or its users were given in a conversation, the newest first."""

    items: list[SaidView]
    next: str | None = Field(description=_NEXT)


class PastView(Wire):
    """A message of the past, read again where it lies."""

    id: str | None = Field(description="The product's id of it; null: it has none.")
    message: str | None = Field(description="The hub's id of it; null: the hub never carried it.")
    kind: str = Field(description="As in `message.created`, or edit, removal, reaction; there may be more.")
    sender: PersonView
    text: str | None = Field(repr=False, description="Null where it was taken back, or cannot be read.")
    about: str | None = Field(description="What it corrects, answers or reacts to: the product's id, else the hub's.")
    files: list[str] = Field(repr=False, description="The names of its files; the files are not given again.")
    removed: bool
    readable: bool = Field(description="False: the hub has no key for it.")
    sent_at: Time


class HistoryView(Wire):
    """What was said, the newest first, as far as the user may read it."""

    items: list[PastView]
    next: str | None = Field(description=_NEXT)


def to_cursor(place: str | None) -> str | None:
    """A place in a list, for the next request."""
    return None if place is None else urlsafe_b64encode(place.encode()).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str:
    """The place; empty: from the beginning. Raises Refused (unknown_cursor)."""
    if cursor is None:
        return ""
    try:
        place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise Refused("unknown_cursor", "cursor") from None
    if not place or not place.isprintable() or to_cursor(place) != cursor:
        raise Refused("unknown_cursor", "cursor")
    return place


def to_listed(chat: Chat) -> Json:
    """A conversation in a list."""
    members = [to_member(m) for m in chat.members]
    return {"id": chat.chat or chat.conversation, "members": members, "name": from_group_name(chat.name)}


def to_said(said: PastMessage, say: Say) -> Json:
    """A message in a list."""
    return {
        "id": said.name,
        "message": said.message,
        "order": said.order,
        "kind": said.kind.value,
        "sender": to_person(said.sender),
        "own": said.own,
        "state": summary(said.states).value,
        "recipients": [to_recipient(one, say) for one in said.states],
        "sent_at": time_text(said.sent_at),
        "accepted_at": time_text(said.accepted_at),
    }


def to_past(said: PastWords) -> Json:
    """A message of the past."""
    return {
        "id": said.name,
        "message": said.message,
        "kind": said.kind.value,
        "sender": to_person(said.sender),
        "text": None if said.body is None else said.body.text,
        "about": said.about,
        "files": list(said.files),
        "removed": said.removed,
        "readable": said.body is not None or said.removed,
        "sent_at": time_text(said.sent_at),
    }
