"""Between the words of Connect and the nouns of the hub. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import nh3
import orjson

from bridge.capabilities import size
from bridge.errors import Refused
from bridge.model import (
    Address,
    Body,
    Delivery,
    File,
    Kind,
    Member,
    Message,
    Person,
    RecipientState,
    Ref,
    Report,
    State,
    Typing,
)
from bridge.networks.connect.fields import from_group_name, time_text, to_group_name
from bridge.networks.connect.files import from_file, to_files
from bridge.networks.connect.kinds import holding
from bridge.networks.connect.shelf.address import Lent
from bridge.networks.connect.wire import NewMessage, milliseconds
from bridge.parts.markup import MOST_TAGS, cheap
from bridge.parts.moments import AHEAD
from bridge.ranks import FREE, Rank
from bridge.receiver import Status
from bridge.ways import APP, BOX, ways
from bridge.words import say

NO_RANKS: Mapping[str, Rank] = {}
_WAYS = {APP: "application", BOX: "mail"}

Say = Callable[[str], tuple[str, str]]
"""The French and the English sentence of a code."""

Json = dict[str, Any]

# Matrix client-server API v1.16, "m.room.message msgtypes": the subset of HTML that clients show. No images: they would
# need files.
_CLEANER = nh3.Cleaner(
    tags={
        "del", "s", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p", "a", "ul", "ol", "sup", "sub", "li", "b",
        "i", "u", "strong", "em", "code", "hr", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "caption",
        "pre", "span", "details", "summary",
    },
    attributes={
        "a": {"href"},
        "ol": {"start"},
        "span": {"data-mx-color", "data-mx-bg-color", "data-mx-spoiler"},
    },
    clean_content_tags={"script", "style", "mx-reply"},
    url_schemes={"https", "http", "ftp", "mailto", "magnet"},
    url_relative="deny",
    link_rel=None,
)  # fmt: skip


def clean_html(html: str) -> str | None:
    """What Matrix allows of it; None if nothing is left, or if it cannot be cleaned in good time."""
    if not cheap(html):
        return None
    return _CLEANER.clean(html).strip() or None


def to_message(
    network: str, sent: NewMessage, max_text: int, now: int, uploaded: Mapping[str, File] | None = None
) -> Message:
    """A message of a product as the hub's; ``max_text`` in bytes, ``now`` in milliseconds.

    ``uploaded``: the files that it names, by their ids. Raises Refused (empty, too_long, sent_in_future, bad_file_name,
    wrong_sha256).
    """
    if not sent.text.strip() and not sent.files and sent.kind in ("text", "notice", "emote"):
        raise Refused("empty", "text")
    body = to_body(sent.text, sent.html, max_text, to_files(sent.files, uploaded))
    body = holding.held(sent.kind, body, sent.location, sent.poll, sent.contact)
    urgent = sent.urgent or sent.priority == "urgent"
    if urgent or sent.mentions or sent.everybody:
        body = replace(body, urgent=urgent, mentions=tuple(dict.fromkeys(sent.mentions)), everybody=sent.everybody)
    return Message(
        ref=Ref(network, sent.id),
        chat=sent.conversation,
        sender=Address(network, sent.sender),
        kind=holding.to_kind(sent.kind),
        body=body,
        sent_at=to_time(sent.sent_at, now),
        to=tuple(sent.to),
        reply_to=None if sent.reply_to is None else Ref(network, sent.reply_to),
        thread=None if sent.thread is None else Ref(network, sent.thread),
        name=None if sent.name is None else to_group_name(sent.name),
    )


def to_body(text: str, html: str | None, max_text: int, files: tuple[File, ...] = ()) -> Body:
    """What is said. Raises Refused (too_long)."""
    if html is not None and (len(html) > max_text or html.count("<") > MOST_TAGS):
        raise Refused("too_long", "html", about=f"{max_text} bytes, {MOST_TAGS} tags")
    body = Body(text, None if html is None else clean_html(html), files)
    if size(body, max_text) > max_text:
        raise Refused("too_long", "text", about=f"{max_text} bytes")
    return body


def to_time(at: datetime, now: int) -> int:
    """Milliseconds. Raises Refused (sent_in_future)."""
    sent_at = max(0, milliseconds(at))
    if sent_at > now + AHEAD:
        raise Refused("sent_in_future", "sent_at")
    return sent_at


def to_address(handle: str) -> Address:
    """The address that a handle names, other than ``rpps:``."""
    network, _, ident = handle.partition(":")
    return Address("mail", ident.lower()) if network == "mailto" else Address(network, ident)


def to_leaving(handles: Sequence[str], members: Sequence[Member]) -> list[Address]:
    """The addresses of those among the members whom the handles name; who is no member cannot leave."""
    wanted = {to_address(h) for h in handles}
    return [m.address for m in members if m.person.id in handles or m.address in wanted]


def to_person(person: Person) -> Json:
    """A person as products see them: no addresses."""
    return {
        "person": person.id,
        "name": person.name,
        "profession": person.profession,
        "place": person.place,
        "rpps": person.rpps,
        "listed": person.listed,
        "active": person.active,
    }


def to_member(member: Member, ranks: Mapping[str, Rank] | None = None) -> Json:
    """A member and the network that reaches them; with ``ranks`` what they may do."""
    person = member.person
    rank = None if ranks is None else ranks.get(person.id, FREE)
    right = {} if rank is None else {"role": rank.role.value, "may": rank.may}
    return right | {
        "person": person.id,
        "name": person.name,
        "profession": person.profession,
        "place": person.place,
        "rpps": person.rpps,
        "network": member.address.network,
        "active": person.active,
    }


def to_event(
    delivery: Delivery, html: bool = True, ranks: Mapping[str, Rank] = NO_RANKS, lent: Sequence[Lent | None] = ()
) -> bytes:
    """The webhook of a delivery: a message, or what the conversation is now, which may change between two attempts.

    ``lent``: where each of its files can be fetched; none: they are in it.
    """
    if delivery.kind is Kind.MEMBERS:
        return event("conversation.members", delivery.created_at, _members_changed(delivery, ranks))
    if delivery.kind is Kind.NAME:
        return event("conversation.renamed", delivery.created_at, _renamed(delivery))
    if delivery.kind is Kind.PICTURE:
        return event("conversation.picture", delivery.created_at, _pictured(delivery, lent))
    return event("message.created", delivery.created_at, _created(delivery, html, lent))


def event(kind: str, at: int, data: Json) -> bytes:
    """The envelope of Standard Webhooks; ``at`` in milliseconds."""
    return orjson.dumps({"type": kind, "timestamp": time_text(at), "data": data})


def _created(delivery: Delivery, html: bool, lent: Sequence[Lent | None]) -> Json:
    body = delivery.body
    where = lent or [None] * len(body.files)
    return {
        "message": delivery.message,
        "conversation": delivery.chat or delivery.conversation,
        "order": delivery.order,
        "text": body.text,
        "html": clean_html(body.html) if html and body.html else None,
        "system": body.system,
        "priority": "urgent" if body.urgent else "normal",
        "sender": to_person(delivery.sender),
        "recipients": recipients(delivery),
        "members": [to_member(m) for m in delivery.members],
        "reply_to": delivery.reply_to.id if delivery.reply_to else None,
        "thread": delivery.thread.id if delivery.thread else None,
        "files": [from_file(file, at) for file, at in zip(body.files, where, strict=True)],
        "sent_at": time_text(delivery.sent_at),
        "name": from_group_name(delivery.name),
    } | holding.from_held(delivery)


def _members_changed(delivery: Delivery, ranks: Mapping[str, Rank]) -> Json:
    return _changed(delivery) | {"members": [to_member(m, ranks) for m in delivery.members]}


def _pictured(delivery: Delivery, lent: Sequence[Lent | None]) -> Json:
    """Only one of them is shown: the one that came last."""
    files = [from_file(file, at) for file, at in zip(delivery.body.files, lent or [None], strict=False)]
    return _changed(delivery) | {"picture": files[0] if files else None}


def _renamed(delivery: Delivery) -> Json:
    return _changed(delivery) | {"name": from_group_name(delivery.name)}


def _changed(delivery: Delivery) -> Json:
    """Of every change of a conversation."""
    return {
        "message": delivery.message,
        "conversation": delivery.chat or delivery.conversation,
        "order": delivery.order,
        "by": to_person(delivery.sender),
        "recipients": [m.address.id for m in delivery.recipients],
        "sent_at": time_text(delivery.sent_at),
    }


def recipients(delivery: Delivery) -> list[str]:
    """This product's users, but not the one who wrote (a colleague may share the leg with the sender)."""
    return [m.address.id for m in delivery.recipients if m.person.id != delivery.sender.id]


_REACHED = {State.ACCEPTED: 0, State.SENT: 1, State.DELIVERED: 2, State.READ: 3}


def summary(states: Iterable[RecipientState]) -> State:
    """One state for a whole message: refused if anybody's is, else the least that all have reached."""
    least = State.READ
    known = False
    for one in states:
        known = True
        if one.state is State.REFUSED:
            return State.REFUSED
        if _REACHED[one.state] < _REACHED[least]:
            least = one.state
    return least if known else State.ACCEPTED


def to_recipient(one: RecipientState, say: Say) -> Json:
    """What became of a message for one recipient."""
    fr, en = say(one.reason) if one.reason else ("", "")
    return {
        "person": one.person.id,
        "name": one.person.name,
        "state": one.state.value,
        "reason": one.reason,
        "reason_text": {"fr": fr, "en": en} if one.reason else None,
        "at": time_text(one.at),
    }


def to_states(reports: Sequence[Report], say: Say) -> Json:
    """The data of ``message.state``."""
    return {
        "messages": [
            {
                "id": report.ref.id,
                "message": report.message,
                "conversation": report.chat,
                "state": summary(report.states).value,
                "recipients": [to_recipient(one, say) for one in report.states],
            }
            for report in reports
        ]
    }


def to_status(status: Status, say: Say) -> Json:
    """The answer to ``GET /messages/{id}``."""
    return {
        "id": status.ref.id,
        "message": status.message,
        "conversation": status.chat,
        "sender": status.sender.id,
        "state": summary(status.states).value,
        "recipients": [to_recipient(one, say) for one in status.states],
        "accepted_at": time_text(status.accepted_at),
    }


def to_found(person: Person) -> Json:
    """A person who was found, and the networks that reach them."""
    codes = ways(person)
    fr, en = (", ".join(words) for words in zip(*map(say, codes), strict=True))
    return to_person(person) | {
        "networks": sorted({address.network for address in person.addresses}),
        "ways": [_WAYS[code] for code in codes if code in _WAYS],
        "ways_text": {"fr": fr, "en": en},
    }


def states_id(reports: Sequence[Report]) -> str:
    """The ``webhook-id`` of a batch of states: the same for the same versions of the same messages."""
    told = sorted(f"{report.message}:{report.version}" for report in reports)
    return "states_" + hashlib.sha256("\n".join(told).encode()).hexdigest()[:40]


def to_typing(typing: Typing) -> Json:
    """The data of ``typing``."""
    return {
        "conversation": typing.chat or typing.conversation,
        "person": to_person(typing.person),
        "typing": typing.typing,
    }
