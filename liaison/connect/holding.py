"""What a message may hold beside its text, which always says all of it: a place, a poll, a card. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place on the earth: degrees of WGS 84, ``uncertainty`` in metres."""

    lat: float
    lon: float
    uncertainty: float | None = None
    label: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAnswer:
    """One of the answers that a poll offers."""

    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A question: ``most`` answers may be chosen; ``disclosed``: counts are shown before it ends."""

    question: str = field(repr=False)
    answers: tuple[PollAnswer, ...]
    most: int = 1
    disclosed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Somebody's card, as a vCard (RFC 6350)."""

    name: str = field(repr=False)
    vcard: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCount:
    """How many chose an answer."""

    id: str
    count: int
    text: str = field(default="", repr=False)


def wire(held: Location | Poll | Card) -> Json:
    """The kind of a message that holds this, and the field that holds it."""
    match held:
        case Location():
            return {"kind": "location", "location": _said(held, "lat", "lon", "uncertainty", "label")}
        case Poll():
            answers = [{"id": one.id, "text": one.text} for one in held.answers]
            return {"kind": "poll", "poll": _said(held, "question", "most", "disclosed") | {"answers": answers}}
        case Card():
            return {"kind": "contact", "contact": {"name": held.name, "vcard": held.vcard}}


def _said(held: object, *names: str) -> Json:
    return {name: value for name in names if (value := getattr(held, name)) is not None}
