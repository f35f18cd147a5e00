"""How words are made alike: case, accents, apostrophes, hyphens, particles, saints, towns and postcodes. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 40
"""Letters of a word that count."""

_KEPT = 16_384


def listed(words: str) -> frozenset[str]:
    """A set of words that are written one after the other."""
    return frozenset(words.split())


_LETTERS = str.maketrans({
    "œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i",
})  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+")
_PARTICLES = listed(
    "de du des d da dos do di del della la le les l van von der den ter ten el al ben bel ait o mc mac y e et"
)
_SAINTS = {"st": "saint", "ste": "sainte", "sts": "saints", "saint": "saint", "sainte": "sainte", "saints": "saints"}
_OF_TOWNS = listed("de du des d la le les l en sur sous lez aux au a et cedex arrondissement arr")
_ORDINAL = re.compile(r"(\d{1,2})(?:er|e|eme|ieme|nd|nde)?")
_CITIES = {"paris": ("75", 20), "lyon": ("69", 9), "marseille": ("13", 16)}  # those with arrondissements, and how many
_CORSE = {"200": "2a", "201": "2a", "202": "2b", "206": "2b"}


@lru_cache(_KEPT)
def fold(text: str) -> tuple[str, ...]:
    """The words of a text in plain lower-case letters and digits."""
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain.translate(_LETTERS))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return tuple(word[:LONGEST] for word in _WORD.findall(plain))


def is_particle(word: str) -> bool:
    """Whether a word of a name stands before the word that counts."""
    return word in _PARTICLES


def saint(words: tuple[str, ...]) -> tuple[str, ...]:
    """``st`` and ``ste`` before another word, written out."""
    last = len(words) - 1
    return tuple(_SAINTS.get(word, word) if place < last else word for place, word in enumerate(words))


def is_saint(word: str) -> bool:
    """Whether a word is a saint's title, written out or not."""
    return word in _SAINTS


@lru_cache(_KEPT)
def name_words(name: str) -> frozenset[str]:
    """The words under which a name is looked for: each that counts, with its particles, and all of them together.

    ``Le Goff-d'Arcy`` gives goff, legoff, arcy, darcy and legoffdarcy.
    """
    parts = saint(fold(name))
    found = {part for part in parts if not is_particle(part) and not is_saint(part)} or set(parts)
    begin = ""
    for part in parts:
        begin += part
        if not is_particle(part) and not is_saint(part):
            found.add(begin[:LONGEST])
            begin = ""
    if len(parts) > 1:
        found.add("".join(parts)[:LONGEST])
    return frozenset(found)


@lru_cache(_KEPT)
def initials(name: str) -> frozenset[str]:
    """The first letters of given names: of the first, and of all (``Jean-Pierre`` gives j and jp)."""
    parts = fold(name)
    return frozenset((parts[0][0], "".join(part[0] for part in parts)[:4])) if parts else frozenset()


@lru_cache(_KEPT)
def town_words(town: str) -> frozenset[str]:
    """The words under which a town is looked for; a numbered arrondissement gives its postcode as well."""
    parts = saint(fold(town))
    words = [part for part in parts if not part[0].isdigit()]
    found = {word for word in words if word not in _OF_TOWNS and not is_saint(word)}
    whole = "".join(word for word in words if word not in ("cedex", "arrondissement", "arr"))
    if whole:
        found.add(whole[:LONGEST])
    code = arrondissement(parts[0], parts[1]) if len(parts) > 1 else None
    return frozenset(found | ({code} if code and "cedex" not in parts else set()))


def arrondissement(town: str, number: str) -> str | None:
    """The postcode of ``paris`` ``15e``; None where there is no such thing."""
    match, city = _ORDINAL.fullmatch(number), _CITIES.get(town)
    if match is None or city is None or not 1 <= int(match[1]) <= city[1]:
        return None
    return f"{city[0]}{int(match[1]):03d}"


def department_of(postcode: str) -> str:
    """The department's code in small letters (``33``, ``2a``, ``974``), or nothing."""
    if not re.fullmatch(r"\d{5}", postcode):
        return ""
    if postcode.startswith(("97", "98")):
        return postcode[:3]
    return _CORSE.get(postcode[:3], "2a") if postcode.startswith("20") else postcode[:2]
