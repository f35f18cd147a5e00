"""Pure: the text of whatever else than text people say, complete for those who see nothing but text.

Each is in the languages of this hub (:func:`bridge.words.speak`). Whoever says it is named by the leg, beside the text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.extras import ContactCard, Location, Poll, PollResult
from bridge.model import Body, Cited, Kind
from bridge.words import sentence

DONE = "✅"
VCARD = "text/vcard"
_BETWEEN = " · "
_SIGNS = {Kind.REACTION: "as_reaction_back", Kind.HANDLED: "as_handled_back"}
try:
    _ZONE: tzinfo = ZoneInfo("Europe/Paris")
except ZoneInfoNotFoundError:  # a system without the database of time zones
    _ZONE = UTC
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


def ended() -> str:
    """A poll has ended, and its counts are not known."""
    return f"📊 {_say('as_poll_ended')}"


def sticker(name: str) -> str:
    """A picture that says something by itself."""
    return f"🖼️ {_say('as_sticker')} : {name}"


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


def everybody() -> str:
    """It is for everybody."""
    return _say("as_everybody")


def topic(text: str) -> str:
    """Somebody says what a conversation is about; empty: nothing any more."""
    return f"{sentence('gives_topic', ' · ')} : {text}" if text else sentence("takes_topic_away", " · ")


def corrects(about: Cited | None, now: int) -> str:
    """What follows is how a message reads now."""
    return "✏️ " + (_say("as_edit") if about is None else _say("as_edit_at", when(about.sent_at, now))) + " :"


def removes(about: Cited | None, now: int, *, moderated: bool = False) -> str:
    """A message, or a sign, is taken back."""
    if about is None:
        return f"🗑️ {_say('as_removal')}"
    if (code := _SIGNS.get(about.kind)) is not None:
        return f"🗑️ {_say(code)}"
    at = when(about.sent_at, now)
    if moderated:
        return f"🗑️ {_say('as_moderation_at', about.author.name, at)}"
    return f"🗑️ {_say('as_removal_at', at)}"


def answers(about: Cited, now: int) -> str:
    """What follows is an answer."""
    return f"→ {_say('as_reply', about.author.name, when(about.sent_at, now))}"


def is_card(body: Body) -> bool:
    """Whether the files of a message are somebody's card, which its text says."""
    return all(file.mime == VCARD for file in body.files) and body.text.startswith("👤")


def when(at: int, now: int) -> str:
    """A time (ms since 1970) on the clocks of the house, with its day if that is another one than today's."""
    then, today = (datetime.fromtimestamp(moment / 1000, UTC).astimezone(_ZONE) for moment in (at, now))
    clock = f"{then.hour}:{then.minute:02}"
    return clock if then.date() == today.date() else f"{then.day:02}/{then.month:02}/{then.year} {clock}"


def _say(code: str, *values: object) -> str:
    return sentence(code, _BETWEEN).format(*values)
