"""What survives between two legs, and what it becomes when it does not: pure. docs/kinds.md is made from this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape

import orjson

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.extras import ContactCard, Location
from bridge.forms import splitting, wording
from bridge.kinds import EVERYWHERE, KINDS, becomes, not_carried
from bridge.model import Body, Delivery, Kind
from bridge.receiver import InCommon

# A Matrix event has at most 65,536 bytes. Encrypted, its content grows by 4/3 (base64); about 5 KiB stay for the rest
# of the event: signatures, keys, relations. So text and html together have 44 KiB as JSON.
MAX_TEXT = 44 * 1024
LONGEST = 1024 * 1024  # bytes of a text as JSON, of any network; nobody writes more than that in one message
URGENT = "URGENT : "


def size(body: Body, enough: int = 0) -> int:
    """The bytes of text and html as JSON, the form of every network; 0 if they are surely not more than ``enough``."""
    return _size(body.text, body.html or "", enough)


def _size(text: str, html: str, enough: int) -> int:
    if (len(text) + len(html)) * 6 + 4 <= enough:  # one character is never more than \u0000
        return 0
    return len(orjson.dumps(text)) + (len(orjson.dumps(html)) if html else 0)


def check(body: Body, capabilities: Capabilities) -> None:
    """Refuse at the door what could not be carried. Raises Refused (too_long, files_not_carried, files_too_large)."""
    check_text(body, LONGEST)
    if body.files and not capabilities.files:
        raise Refused("files_not_carried", "files")
    if body.files and sum(file.size for file in body.files) > capabilities.max_files:
        raise Refused("files_too_large", "files", about=f"{capabilities.max_files} bytes")


def check_text(body: Body, most: int) -> None:
    """The text alone has to fit: formatting that does not is left out. Raises Refused (too_long)."""
    if _size(body.text, "", most) > most:
        raise Refused("too_long", "text", about=f"{most} bytes")


def together(legs: Sequence[Capabilities]) -> InCommon:
    """What several legs carry: of kinds, what one of them can; of files and sizes, what all of them can."""
    if not legs:
        return InCommon(EVERYWHERE, files=False, max_files=0, max_text=MAX_TEXT)
    return InCommon(
        frozenset[Kind]().union(*(one.kinds for one in legs)),
        all(one.files for one in legs),
        min(one.max_files for one in legs),
        min(one.max_text for one in legs),
        min((one.edit_within for one in legs if one.edit_within is not None), default=None),
        min((one.removal_within for one in legs if one.removal_within is not None), default=None),
    )


Able = Callable[[Kind, str], bool]
"""Whether a network carries something of a kind with this text, in the chat in question."""


def form(kind: Kind, text: str, carries: Able, answers: bool = True) -> Kind | None:
    """The kind by which a network gets a message; see :func:`bridge.kinds.becomes`."""
    return becomes(kind, lambda one: carries(one, text if one is kind else wording.DONE), answers)


def fit(delivery: Delivery, capabilities: Capabilities, carries: Able | None = None) -> Delivery:
    """The delivery as the network can carry it; a text that is too long for it is for :func:`parts`.

    Raises Refused for files that it does not take, and for what it neither carries nor can be said as a text.
    """
    was = delivery.kind
    if KINDS[was].about and delivery.reply_to is None:
        raise Refused(not_carried(delivery.kind))  # this network never had what it is about
    kind = form(delivery.kind, delivery.body.text, carries or (lambda one, _: one in capabilities.kinds))
    if kind is None:
        raise Refused(not_carried(delivery.kind))
    if kind is delivery.kind and _too_late(delivery, capabilities):
        kind = KINDS[kind].shown
    if kind is not delivery.kind:
        delivery = replace(delivery, kind=kind, body=_said(delivery, kind))
    says_so = KINDS[was].corrects or KINDS[kind].about
    body = _body(delivery.body, capabilities)
    delivery = delivery if body is delivery.body else replace(delivery, body=body)  # nearly always nothing changes
    delivery = _placed(delivery, capabilities, says_so)
    check(delivery.body, capabilities)
    return delivery


def unfinished(delivery: Delivery, fitted: Delivery) -> dict[str, str]:
    """For whom (person ids) a message has not had its whole effect as its network got it, and why (a code)."""
    if fitted.kind is delivery.kind or not KINDS[delivery.kind].erases:
        return {}
    return dict.fromkeys((m.person.id for m in delivery.recipients), "removal_said")


def _too_late(delivery: Delivery, able: Capabilities) -> bool:
    within = {Kind.EDIT: able.edit_within, Kind.REMOVAL: able.removal_within}.get(delivery.kind)
    return (
        within is not None and delivery.cited is not None and delivery.sent_at - delivery.cited.sent_at > within * 1000
    )


def _said(delivery: Delivery, kind: Kind) -> Body:
    """What is done to a message, in the words of whoever does it."""
    body, cited = delivery.body, delivery.cited
    if kind is Kind.REACTION:
        return Body(wording.DONE)
    if delivery.kind is Kind.EDIT:
        before = wording.corrects(cited, delivery.sent_at)
        html = None if body.html is None else f"<p>{escape(before)}</p>{body.html}"
        return replace(body, text=f"{before}\n{body.text}", html=html)
    if delivery.kind is Kind.REMOVAL:
        return Body(wording.removes(cited, delivery.sent_at, moderated=delivery.moderated))
    return replace(body, extra=None)  # the text says it


def _body(body: Body, able: Capabilities) -> Body:
    """What is said, without what the text says as well where this is not shown."""
    if body.urgent and not able.urgent:
        body = _begun(body, URGENT, "URGENT" in body.text[:12])
    if body.everybody and not able.mentions:
        body = _begun(body, f"{wording.everybody()} : ", body.text.lstrip().startswith("@"))
    known = {Location: able.locations, ContactCard: able.contacts}
    if not known.get(type(body.extra), True):
        body = replace(body, extra=None)
    if body.extra is None and body.files and not able.files and wording.is_card(body):
        body = replace(body, files=())  # the text says it
    shown = able.html and size(body, able.max_text) <= able.max_text
    return body if body.html is None or shown else replace(body, html=None)  # the text says it too


def _placed(delivery: Delivery, able: Capabilities, says_so: bool) -> Delivery:
    """What is answered, and in which thread: as far as it can be shown, else in words (unless it ``says_so``)."""
    thread, reply_to = delivery.thread, delivery.reply_to
    if thread is not None and not able.threads:  # an answer to its beginning is near to it
        reply_to, thread = reply_to or thread, None
    if reply_to is not None and not able.replies:
        if delivery.cited is not None and delivery.reply_to is not None and not says_so:
            before = wording.answers(delivery.cited, delivery.sent_at)
            delivery = replace(delivery, body=_begun(delivery.body, f"{before}\n", not delivery.body.text.strip()))
        reply_to = None if not KINDS[delivery.kind].about else reply_to
    if reply_to is delivery.reply_to and thread is delivery.thread:
        return delivery
    return replace(delivery, reply_to=reply_to, thread=thread)


def _begun(body: Body, words: str, there: bool) -> Body:
    """The text below words that say what is not shown; ``there``: it says so already."""
    if there:
        return body
    html = None if body.html is None else f"<strong>{escape(words.strip())} </strong>{body.html}"
    return replace(body, text=f"{words}{body.text}", html=html)


def parts(body: Body, most: int) -> list[Body]:
    """What is said, in as many parts as a network needs that takes ``most`` bytes of text; files go with the first."""
    texts = splitting.split(body.text, most)
    if len(texts) == 1:
        return [body]
    first = replace(body, text=texts[0], html=None)
    return [first, *(Body(text, urgent=body.urgent) for text in texts[1:])]
