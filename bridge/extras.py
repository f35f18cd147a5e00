"""What a message may hold beside its text, so that a network which knows it shows more than text. Frozen, pure.

The text of the message is always complete without it. Nothing of it is in a repr.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_GEO = re.compile(
    r"geo:(-?\d{1,2}(?:\.\d{1,15})?),(-?\d{1,3}(?:\.\d{1,15})?)(?:,-?[\d.]{1,20})?((?:;[^;\s]{1,60}){0,9})"
)
_UNCERTAIN = re.compile(r";u=(\d{1,9}(?:\.\d{1,9})?)(?:;|$)", re.I)
MOST_ANSWERS = 20  # of a poll (MSC3381)


@dataclass(frozen=True, slots=True)
class Location:
    """A place on the earth: degrees of WGS 84, and the radius in metres within which it lies, if that is known."""

    lat: float = field(repr=False)
    lon: float = field(repr=False)
    uncertainty: float | None = field(default=None, repr=False)
    label: str = field(default="", repr=False)

    @property
    def geo(self) -> str:
        """As a ``geo`` URI (RFC 5870)."""
        return f"geo:{_short(self.lat)},{_short(self.lon)}" + (
            "" if self.uncertainty is None else f";u={_short(self.uncertainty)}"
        )


def located(uri: str, label: str = "") -> Location | None:
    """The place that a ``geo`` URI names; None for what is no place on the earth."""
    found = _GEO.fullmatch(uri.strip())
    if found is None or ";crs=" in found[3].lower().replace(";crs=wgs84", ""):
        return None
    lat, lon = float(found[1]), float(found[2])
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    uncertain = _UNCERTAIN.search(found[3])
    return Location(lat, lon, float(uncertain[1]) if uncertain else None, label)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that a poll offers; ``id`` is the poll's own, opaque."""

    id: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Poll:
    """A question with answers. ``most``: so many may be chosen; ``disclosed``: counts are seen before it ends."""

    question: str = field(repr=False)
    answers: tuple[Choice, ...] = field(repr=False)
    most: int = 1
    disclosed: bool = True


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody chooses, instead of what they chose before; nothing: they take their vote back."""

    answers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PollResult:
    """What became of a poll: for each answer, in the poll's order, how many chose it; ``voters``: how many voted."""

    poll: Poll
    counts: tuple[int, ...] = field(repr=False)
    voters: int = 0


@dataclass(frozen=True, slots=True)
class ContactCard:
    """Somebody's card: the text of a vCard (RFC 6350), which is also a file of the message, and their name."""

    vcard: str = field(repr=False)
    name: str = field(repr=False)


Extra = Location | Poll | Vote | PollResult | ContactCard
"""One of these."""


def valid(vote: Vote, poll: Poll) -> Vote:
    """The vote as the poll lets it count (MSC3381): the first answers that it has, and no more than may be chosen."""
    known = {answer.id for answer in poll.answers}
    chosen = dict.fromkeys(answer for answer in vote.answers if answer in known)
    return Vote(tuple(chosen)[: poll.most])


def counted(poll: Poll, votes: list[Vote]) -> PollResult:
    """What the last vote of each voter makes together."""
    chosen = [valid(vote, poll).answers for vote in votes]
    counts = tuple(sum(answer.id in one for one in chosen) for answer in poll.answers)
    return PollResult(poll, counts, sum(bool(one) for one in chosen))


def _short(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".") or "0"
