"""Pure: what somebody who writes to the hub's voice wants to know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.people.trust import is_rpps

Json = dict[str, Any]
_CHOICE = re.compile(r"(?:n[°o]\s*|num[ée]ro\s+|le\s+|la\s+|#\s*)?(\d{1,2})\s*[.)!]*", re.I)
_MAILBOX = re.compile(r"(?:mailto:)?([^@\s<>]+@[^@\s<>]+\.[^@\s<>]+)", re.I)
_HELP = {"aide", "help", "?", "bonjour", "bonsoir", "salut", "hello", "start", "/start", "/help", "!help"}
_CONTACTS = {"contacts", "mes contacts", "my contacts", "carnet", "carnet d'adresses", "liaison.vcf", "vcf", "vcard"}
_LANGUAGES = {
    "français": "fr", "francais": "fr", "en français": "fr", "french": "fr", "english": "en", "in english": "en",
    "anglais": "en", "en anglais": "en", "bilingue": "both", "both languages": "both", "deux langues": "both",
}  # fmt: skip
_LONGEST = 200  # characters of a question


class Wish(StrEnum):
    """What it is."""

    HELP = "help"
    CHOICE = "choice"
    CONTACTS = "contacts"
    LANGUAGE = "language"
    NUMBER = "number"
    MAILBOX = "mailbox"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Question:
    """``words``: the number, the address, the name or the language. ``about``: the event that it answers."""

    want: Wish
    words: str = ""
    about: str | None = None


def read(content: Json) -> Question | None:
    """The question in the clear content of a message; None: it is none, and nobody is answered."""
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    if relation.get("rel_type") == "m.replace" and isinstance(content.get("m.new_content"), dict):
        content = content["m.new_content"]  # a typing error that was mended is another question
    if content.get("msgtype") == "m.notice":
        return None  # of another machine
    text = content.get("body")
    if content.get("msgtype") not in ("m.text", "m.emote") or not isinstance(text, str):
        return Question(Wish.HELP)
    answered = relation.get("m.in_reply_to")
    about = answered.get("event_id") if isinstance(answered, dict) else None
    return asked(_without_quotation(text), about if isinstance(about, str) else None)


def asked(text: str, about: str | None = None) -> Question:
    """What is written."""
    words = " ".join(text.split())[:_LONGEST]
    plain = words.casefold().strip(" .!")
    if not plain or plain in _HELP:
        return Question(Wish.HELP)
    if plain in _CONTACTS:
        return Question(Wish.CONTACTS)
    if (language := _LANGUAGES.get(plain)) is not None:
        return Question(Wish.LANGUAGE, language)
    if (choice := _CHOICE.fullmatch(words)) is not None:
        return Question(Wish.CHOICE, choice[1], about)
    if is_rpps(number := re.sub(r"[ .]", "", plain.removeprefix("rpps"))):
        return Question(Wish.NUMBER, number)
    if (box := _MAILBOX.fullmatch(words)) is not None:
        return Question(Wish.MAILBOX, box[1].lower())
    return Question(Wish.NAME, words)


def _without_quotation(text: str) -> str:
    """A reply of an older client quotes before it what it answers."""
    lines = text.split("\n")
    while lines and lines[0].startswith("> "):
        lines.pop(0)
    return "\n".join(lines)
