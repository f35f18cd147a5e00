"""Pure: the text of whatever else than text people say, complete for those who see nothing but text.

Each is in the languages of this hub (:func:`bridge.words.speak`). Whoever says it is named by the leg, beside the text.
"""

from __future__ import annotations

import re

from bridge.extras import ContactCard, Location, Poll, PollResult
from bridge.words import sentence

DONE = "✅"
_BETWEEN = " · "
_NUMBER = re.compile(r"^(?:[\w-]+\.)?TEL[^:\n]*:(?:tel:)?(.{1,40})$", re.M | re.I)


def location(place: Location) -> str:
    """A place: what it is called, its degrees, and a link for programs with maps. No map service hears of it."""
    near = "" if place.uncertainty is None else f" (± {place.uncertainty:.0f} m)"
    called = f"{place.label.strip()} — " if place.label.strip() else ""
    return f"📍 {_say('as_location')} : {called}{place.lat:.5f}, {place.lon:.5f}{near}\n{place.geo}"


def poll(asked: Poll) -> str:
    """A question and its answers, numbered so that people can answer by a word."""
    lines = [f"{n}. {answer.text}" for n, answer in enumerate(asked.answers, 1)]
    most = f" ({_say('as_poll_most', asked.most)})" if asked.most > 1 else ""
    return "\n".join([f"📊 {_say('as_poll')} : {asked.question}{most}", *lines, _say("as_poll_answer")])


def counts(found: PollResult) -> str:
    """What became of a poll."""
    pairs = zip(found.poll.answers, found.counts, strict=True)
    lines = [f"{count} × {answer.text}" for answer, count in pairs]
    first = f"📊 {_say('as_poll_ended')} : {found.poll.question} ({_say('as_votes', found.voters)})"
    return "\n".join([first, *lines])


def contact(card: ContactCard) -> str:
    """A card: the name, and the numbers by which people call."""
    numbers = dict.fromkeys(number.strip() for number in _NUMBER.findall(card.vcard.replace("\r", "")))
    return "\n".join([f"👤 {_say('as_contact')} : {card.name}", *numbers])


def call(link: str = "") -> str:
    """Somebody called, and nobody heard it ring; ``link`` leads to the call where both sides have one."""
    return f"📞 {_say('as_call')}" + (f"\n{_say('as_call_link')} : {link}" if link else "")


def handled() -> str:
    """A message is dealt with."""
    return f"{DONE} {_say('as_handled')}"


def _say(code: str, *values: object) -> str:
    return sentence(code, _BETWEEN).format(*values)
