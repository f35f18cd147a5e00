"""What was gathered as the mails that it makes: one patient's documents in each, conforming where they can. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridge.networks.mail.documents.outgoing import (
    Carried,
    Conformed,
    Sender,
    apart,
    author_of,
    carried,
    concerned,
    conform,
)
from bridge.networks.mail.letters.compose import Letter
from bridge.networks.mail.letters.from_chat import ChatMessage


@dataclass(frozen=True, slots=True)
class Parcel:
    """The messages of one mail, and what each of them carries; ``carried`` is empty where no document can conform."""

    said: tuple[ChatMessage, ...] = field(repr=False)
    carried: tuple[Carried, ...] = field(default=(), repr=False)


def parcels(said: Sequence[ChatMessage]) -> list[Parcel]:
    """The mails of some messages of one thread, in order. Large documents take a while."""
    if not any(one.asked or concerned(one.files) for one in said):
        return [Parcel(tuple(said))]
    found = [carried(one.files) for one in said]
    made, start = [], 0
    for size in apart(found):
        made.append(Parcel(tuple(said[start : start + size]), tuple(found[start : start + size])))
        start += size
    return made


def conformed(parcel: Parcel, domain: str, team: str = "") -> Conformed | None:
    """The conforming form of a parcel; None: it leaves as it is. ``team``: in whose name. Raises Refused (xdm_…)."""
    if not parcel.carried:
        return None
    pairs = zip(parcel.said, parcel.carried, strict=True)
    writer = next((one for one, has in pairs if has.sheets), parcel.said[-1])
    sender = Sender(author_of(writer.sender.name, writer.rpps, team), writer.sender.address, domain)
    return conform(parcel.carried, sender, parcel.said[-1].at, wanted=any(one.asked for one in parcel.said))


def divided(parcel: Parcel) -> tuple[Parcel, Parcel]:
    """A parcel that cannot conform: the messages that are the reason, and the others, which need not wait for them."""
    pairs = list(zip(parcel.said, parcel.carried, strict=True))
    reasons = tuple(one for one, has in pairs if one.asked or has.sheets or has.unread)
    return Parcel(reasons), Parcel(tuple(one for one in parcel.said if one not in reasons))


def as_sent(said: Sequence[ChatMessage], documents: Conformed) -> tuple[ChatMessage, ...]:
    """The messages with the files that the conforming mail has: what the mail names must be in it."""
    kept = [replace(one, files=tuple(file for file in one.files if file in documents.files)) for one in said]
    made = tuple(file for file in documents.files if not any(file in one.files for one in kept))
    return (*kept[:-1], replace(kept[-1], files=(*kept[-1].files, *made)))


def with_documents(letter: Letter, documents: Conformed, *, begins: bool) -> Letter:
    """The letter in its conforming form. ``begins``: it begins a thread of its own, else it keeps the subject."""
    letter = replace(letter, files=documents.files, mss={**letter.mss, **documents.mss})
    return replace(letter, subject=documents.subject, in_reply_to=None, references=()) if begins else letter
