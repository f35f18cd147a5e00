"""Pure: what a message of a product holds beside its text as the hub's, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.documents import File
from bridge.errors import Refused
from bridge.extras import Choice, ContactCard, Extra, Location, Poll, PollResult
from bridge.forms import wording
from bridge.model import Body, Delivery, Kind
from bridge.networks.connect.kinds.wire_kinds import GivenCard, GivenPlace, PollAsked

Json = dict[str, Any]
KINDS = {"location": Kind.TEXT, "contact": Kind.TEXT}
"""Kinds of the wire that are texts with something more; all others are called as the hub calls them."""


def to_kind(kind: str) -> Kind:
    """The hub's kind."""
    return KINDS.get(kind) or Kind(kind)


def held(kind: str, body: Body, place: GivenPlace | None, asked: PollAsked | None, card: GivenCard | None) -> Body:
    """The body with what it holds, and a text that says all of it below the writer's own words.

    Raises Refused (wrong_kind, same_answer) for a kind that does not hold what it says.
    """
    given = {"location": place, "poll": asked, "contact": card}
    for name, value in given.items():
        if (kind == name) != (value is not None):
            raise Refused("wrong_kind", name)
    if place is not None:
        shown = Location(place.lat, place.lon, place.uncertainty, place.label or "")
        return replace(body, text=_below(body.text, wording.location(shown)), html=None, extra=shown)
    if asked is not None:
        answers = tuple(Choice(one.id, one.text) for one in asked.answers)
        if len({one.id for one in answers}) != len(answers):
            raise Refused("same_answer", "poll.answers")
        poll = Poll(asked.question, answers, min(asked.most, len(answers)), asked.disclosed)
        return replace(body, text=_below(body.text, wording.poll(poll)), html=None, extra=poll)
    if card is not None:
        contact = ContactCard(card.vcard, card.name)
        file = File(f"{card.name.replace('/', '-')[:80]}.vcf", wording.VCARD, card.vcard.encode())
        text = _below(wording.contact(contact), body.text)
        return replace(body, text=text, html=None, files=(*body.files, file), extra=contact)
    if kind == "call":
        return replace(body, text=wording.call(body.text.strip()), html=None)
    return body


def _below(first: str, second: str) -> str:
    return "\n".join(one for one in (first.strip(), second) if one)


def from_held(delivery: Delivery) -> Json:
    """Of ``message.created``: the kind, what it holds, and whom it calls."""
    body, extra = delivery.body, delivery.body.extra
    shown: Json = {"kind": _kind(delivery.kind, extra), "location": None, "poll": None, "contact": None}
    if isinstance(extra, Location):
        named = {"lat": extra.lat, "lon": extra.lon, "uncertainty": extra.uncertainty, "label": extra.label or None}
        shown["location"] = named
    elif isinstance(extra, Poll):
        shown["poll"] = from_poll(extra)
    elif isinstance(extra, ContactCard):
        shown["contact"] = {"name": extra.name, "vcard": extra.vcard}
    return shown | calls(delivery.body, delivery) | {"urgent": body.urgent}


def calls(body: Body, delivery: Delivery) -> Json:
    """Whom a message calls: people, and those of them who are the product's users."""
    own = [m.address.id for m in delivery.recipients if m.person.id in body.mentions or body.everybody]
    return {"mentions": list(body.mentions), "mentioned": own, "everybody": body.everybody}


def from_poll(asked: Poll) -> Json:
    """A poll on the wire."""
    answers = [{"id": one.id, "text": one.text} for one in asked.answers]
    return {"question": asked.question, "answers": answers, "most": asked.most, "disclosed": asked.disclosed}


def from_result(extra: Extra | None) -> Json:
    """What became of a poll: null where the hub does not know."""
    if not isinstance(extra, PollResult):
        return {"counts": None, "voters": None}
    pairs = zip(extra.poll.answers, extra.counts, strict=True)
    return {"counts": [{"id": one.id, "text": one.text, "count": n} for one, n in pairs], "voters": extra.voters}


def _kind(kind: Kind, extra: Extra | None) -> str:
    names = {Location: "location", ContactCard: "contact"}
    return names.get(type(extra), kind.value) if kind is Kind.TEXT else kind.value
