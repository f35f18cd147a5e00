"""What is done to a message that is there: corrected, taken back, reacted to. Words on the wire, and their meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field

from bridge.errors import Refused
from bridge.extras import MOST_ANSWERS, Vote
from bridge.forms import wording
from bridge.model import Address, Body, Delivery, Kind, Message, Ref
from bridge.networks.connect.fields import REACTION_PATTERN, Id, NameView, Text, Time, Wire, time_text
from bridge.networks.connect.kinds import holding
from bridge.networks.connect.kinds.wire_kinds import AnswerCount, AnswerId
from bridge.networks.connect.translate import clean_html, event, recipients, to_body, to_member, to_person, to_time
from bridge.networks.connect.wire import MemberView, PersonView

Json = dict[str, Any]


class _About(Wire):
    """What one of the product's users does to a message that is there."""

    id: Id = Field(
        description="The product's id of this, and the idempotency key; of the same kind as those of messages."
    )
    conversation: Id = Field(description="The product's id of the conversation.")
    sender: Id = Field(description="The product's id of the user who does it.")
    sent_at: Time = Field(description="When; at most 10 minutes in the future.")


class NewEdit(_About):
    """The message now reads like this. Only who wrote it may do that, and only to a message that has a text."""

    text: Text = Field(repr=False, description="The whole new text; not empty. Files stay as they are.")
    html: Text | None = Field(default=None, repr=False, description="The same as HTML.")


class NewRemoval(_About):
    """The message, or the reaction, is taken back with its files. Only who wrote it may do that."""


class NewReaction(_About):
    """A reaction to a message of anybody in the conversation."""

    key: str = Field(min_length=1, max_length=64, pattern=REACTION_PATTERN, repr=False, examples=["👍"])


class NewVote(_About):
    """What a user chooses in a poll, instead of what they chose before; no answer takes the vote back."""

    answers: list[AnswerId] = Field(max_length=MOST_ANSWERS, repr=False)


class NewHandled(_About):
    """A user marks a message as dealt with. To take the mark back, remove it by its `id`."""


class NewEnd(_About):
    """The poll ends. Only who asked may do that."""


New = NewEdit | NewRemoval | NewReaction | NewVote | NewHandled | NewEnd


class _AboutSeen(Wire):
    message: str = Field(description="The hub's id of this.")
    about: str = Field(description="The product's id of the message (or reaction) that it is about.")
    conversation: str
    order: int
    sender: PersonView
    recipients: list[str] = Field(description="The product's ids of the users who get it.")
    members: list[MemberView]
    sent_at: Time


class Edited(_AboutSeen):
    """A message now reads like this."""

    text: str = Field(repr=False)
    html: str | None = Field(repr=False)
    mentions: list[str] = Field(default_factory=list, description="Whom it calls by name (`person`).")
    mentioned: list[str] = Field(default_factory=list, description="Which of the product's users it calls.")
    everybody: bool = False


class Removed(_AboutSeen):
    """A message, or a reaction, was taken back: show no word of it any more."""

    moderated: bool = Field(
        default=False, description="`sender` keeps order in the conversation, and the message may be another one's."
    )


class Reacted(_AboutSeen):
    """Somebody reacts to a message. Its id for a later `message.removed` is as with messages."""

    key: str = Field(repr=False)


class Voted(_AboutSeen):
    """Somebody votes in a poll; it replaces their vote of before."""

    answers: list[str] = Field(repr=False, description="Ids of answers; empty: the vote is taken back.")


class Handled(_AboutSeen):
    """Somebody marks a message as dealt with. Its id for a later `message.removed` is as with messages."""


class PollEnded(_AboutSeen):
    """A poll has ended; the counts are the hub's."""

    text: str = Field(repr=False, description="The result in words.")
    counts: list[AnswerCount] | None = Field(repr=False)
    voters: int | None = None


class EditedEvent(Wire):
    """Webhook `message.edited`, for products that declare `edit`."""

    type: Literal["message.edited"]
    timestamp: Time
    data: Edited


class RemovedEvent(Wire):
    """Webhook `message.removed`, for products that declare `removal`."""

    type: Literal["message.removed"]
    timestamp: Time
    data: Removed


class ReactionEvent(Wire):
    """Webhook `message.reaction`, for products that declare `reaction`."""

    type: Literal["message.reaction"]
    timestamp: Time
    data: Reacted


class VoteEvent(Wire):
    """Webhook `message.vote`, for products that declare `poll`."""

    type: Literal["message.vote"]
    timestamp: Time
    data: Voted


class HandledEvent(Wire):
    """Webhook `message.handled`, for products that declare `handled`."""

    type: Literal["message.handled"]
    timestamp: Time
    data: Handled


class PollEndedEvent(Wire):
    """Webhook `message.poll_ended`, for products that declare `poll`; others read the result as a message."""

    type: Literal["message.poll_ended"]
    timestamp: Time
    data: PollEnded


class Renamed(Wire):
    """The conversation is now called this; `null`: it has no name any more."""

    message: str
    conversation: str
    order: int
    by: PersonView
    recipients: list[str]
    name: NameView | None = Field(repr=False)
    sent_at: Time


class RenamedEvent(Wire):
    """Webhook `conversation.renamed`."""

    type: Literal["conversation.renamed"]
    timestamp: Time
    data: Renamed


def to_about(network: str, about: str, sent: New, max_text: int, now: int) -> Message:
    """What is done to the message ``about`` (the product's id). Raises Refused (empty, too_long, sent_in_future)."""
    match sent:
        case NewEdit():
            if not sent.text.strip():
                raise Refused("empty", "text")
            kind, body = Kind.EDIT, to_body(sent.text, sent.html, max_text)
        case NewReaction():
            if not sent.key.strip():
                raise Refused("empty", "key")
            key = sent.key.strip()
            done = key.removesuffix("\ufe0f") == wording.DONE
            kind, body = (Kind.HANDLED, Body(wording.handled())) if done else (Kind.REACTION, Body(key))
        case NewVote():
            kind, body = Kind.VOTE, Body(extra=Vote(tuple(dict.fromkeys(sent.answers))))
        case NewHandled():
            kind, body = Kind.HANDLED, Body(wording.handled())
        case NewEnd():
            kind, body = Kind.POLL_END, Body(wording.ended())
        case _:
            kind, body = Kind.REMOVAL, Body()
    return Message(
        ref=Ref(network, sent.id),
        chat=sent.conversation,
        sender=Address(network, sent.sender),
        kind=kind,
        body=body,
        sent_at=to_time(sent.sent_at, now),
        reply_to=Ref(network, about),
    )


def to_event(delivery: Delivery, html: bool = True) -> bytes:
    """The webhook of a delivery of one of :data:`KINDS`; the same bytes at each attempt."""
    name, said = KINDS[delivery.kind]
    return event(name, delivery.created_at, _about(delivery) | said(delivery, html))


def _about(delivery: Delivery) -> Json:
    """What all have that are about a message which is there."""
    assert delivery.reply_to is not None, "the hub gives none that is about nothing"
    return {
        "message": delivery.message,
        "about": delivery.reply_to.id,
        "conversation": delivery.chat or delivery.conversation,
        "order": delivery.order,
        "sender": to_person(delivery.sender),
        "recipients": recipients(delivery),
        "members": [to_member(m) for m in delivery.members],
        "sent_at": time_text(delivery.sent_at),
    }


def _edited(delivery: Delivery, html: bool) -> Json:
    body = delivery.body
    shown = {"text": body.text, "html": clean_html(body.html) if html and body.html else None}
    return shown | holding.calls(body, delivery)


def _voted(delivery: Delivery, html: bool) -> Json:
    extra = delivery.body.extra
    return {"answers": list(extra.answers) if isinstance(extra, Vote) else []}


def _poll_ended(delivery: Delivery, html: bool) -> Json:
    return {"text": delivery.body.text} | holding.from_result(delivery.body.extra)


KINDS: Mapping[Kind, tuple[str, Callable[[Delivery, bool], Json]]] = {
    Kind.EDIT: ("message.edited", _edited),
    Kind.REMOVAL: ("message.removed", lambda delivery, html: {"moderated": delivery.moderated}),
    Kind.VOTE: ("message.vote", _voted),
    Kind.HANDLED: ("message.handled", lambda delivery, html: {}),
    Kind.POLL_END: ("message.poll_ended", _poll_ended),
    Kind.REACTION: ("message.reaction", lambda delivery, html: {"key": delivery.body.text}),
}
