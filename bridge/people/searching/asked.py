"""What a query means: its parts, and under which words of the index each of them may be found. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bridge.people.searching import crafts, establishments, towns
from bridge.people.searching.folding import LONGEST, arrondissement, fold, is_saint, listed, saint
from bridge.people.searching.index_words import (
    BOX,
    CRAFT,
    FAMILY,
    GIVEN,
    INITIAL,
    NUMBER,
    STRUCTURE,
    TOWN,
)

MOST_PARTS = 8
"""Of a longer query the rest does not count."""

# What it costs that a part of the query is found so: a family name before a craft, a place, a given name, a house;
# a whole word before a beginning.
_WHOLE = {FAMILY: 0.0, GIVEN: 1.0, TOWN: 1.0, CRAFT: 0.8, STRUCTURE: 1.5, INITIAL: 1.5, NUMBER: 0.0, BOX: 0.0}
BEGINNING = 2.0
_FULL = 0.0  # nothing more for a name with its particles
_BARE = 0.3  # for a name without the particles that were asked for
_NO_SAINT = 1.5  # for a name without the saint
_GREAT_TOWN = 0.9  # for a name that a great town has as well, beside other parts

_TITLES = listed("dr dre docteur docteure dc pr pre prof professeur professeure m mr mme mlle melle monsieur madame me")
_SAID = listed(
    "liberal liberale liberaux rpps adeli numero no n tel chez medecins et l un une pour avec qui travaille bonjour "
    "merci je cherche chercher trouver trouve contacter joindre"
)
_SERVICE = listed("service services bal secretariat boite")
_PARTICLES = listed("de du des d da dos do di del della la le les van von der den ter ten")
_BETWEEN = listed("en sur sous lez lès aux au a")
_WEAK = listed("medecin medecine doctor")
_GLUED = re.compile(r"(paris|lyon|marseille)(\d{1,2})(?:er|e|eme)?")
_LONGEST_PHRASE = 5
_POSTCODE = 5  # digits
_SAINT = ("saint", "sainte", "saints")
_ASKED: tuple[tuple[str, Mapping[tuple[str, ...], frozenset[str]]], ...] = (
    (CRAFT, crafts.ASKED), (STRUCTURE, establishments.ASKED), (TOWN, towns.ASKED),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sought:
    """One part of a query. ``ways``: a word of the index (``abc*``: a beginning) -> what it costs to be found so.

    ``word``: what was written, as one word, or nothing where it stands for something known (a number, a phrase).
    ``weak``: so many have it that a store is not asked for it.
    """

    text: str
    ways: Mapping[str, float]
    word: str = ""
    weak: bool = False

    @property
    def group(self) -> frozenset[str]:
        """The words to be asked for; what a beginning includes is left out."""
        begins = [way[:-1] for way in self.ways if way.endswith("*")]
        return frozenset(
            way
            for way in self.ways
            if not any(way.startswith(begin) and way != f"{begin}*" for begin in begins)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A query. ``service``: a mailbox of a service is meant rather than a person."""

    parts: tuple[Sought, ...]
    service: bool = False


def understood(query: str) -> Query:
    """The parts of a query; none where it holds no word."""
    parts, rest = list[Sought](), list[str]()
    for piece in query.split():
        box = _box(piece) if "@" in piece[1:] and ":" not in piece.removeprefix("mailto:") else None
        if box is not None:
            parts.append(box)
        else:
            rest.append(piece)
    words = _words(" ".join(rest))
    service = any(word in _SERVICE for word in words)
    read = list({part.text: part for part in [*parts, *_read(words)]}.values())
    if len(read) > 1:
        read = [_rather_a_town(part) for part in read]
    return Query(tuple(read[:MOST_PARTS]), service)


def strictly(parts: Sequence[Sought]) -> list[Sought]:
    """The same, but that only the last part may be a beginning: of the others people have mostly written all.

    Where nothing else is left of a part, it stays as it is.
    """
    return [*map(_whole, parts[:-1]), *parts[-1:]]


def narrowly(parts: Sequence[Sought]) -> list[Sought]:
    """The likeliest reading alone, by whole words, for where very many fit: a single word that says nothing else is a
    family name; of several such words each may be a name or a town.
    """
    known = {FAMILY, GIVEN, INITIAL}
    names = [part for part in parts if part.word and not says(part)]
    kinds = FAMILY if len(names) == 1 else FAMILY + GIVEN + INITIAL + TOWN
    read = []
    for part in parts:
        ways = {way: cost for way, cost in part.ways.items() if way[-1] != "*"}
        if part in names:
            ways = {way: cost for way, cost in ways.items() if way[0] in kinds}
        elif part.word:
            ways = {way: cost for way, cost in ways.items() if way[0] not in known}
        read.append(replace(part, ways=ways) if ways else part)
    return read


def says(part: Sought) -> bool:
    """Whether a word says a craft, a house or a place by itself."""
    return part.word in towns.GREAT or any((part.word,) in asked for _, asked in _ASKED)


def freely(parts: Sequence[Sought]) -> list[Sought]:
    """The same, but that only the last part may be the beginning of a craft or a house: each costs a look-up."""
    return [*(_without(part, CRAFT + STRUCTURE) for part in parts[:-1]), *parts[-1:]]


def _whole(part: Sought) -> Sought:
    return _without(part, FAMILY + GIVEN + TOWN + CRAFT + STRUCTURE + NUMBER + BOX)


def _without(part: Sought, kinds: str) -> Sought:
    """Without the beginnings of these kinds, unless nothing else is left."""
    ways = {way: cost for way, cost in part.ways.items() if not (way.endswith("*") and way[0] in kinds)}
    return replace(part, ways=ways) if ways else part


def _rather_a_town(part: Sought) -> Sought:
    """Beside other parts the name of a great town is hardly somebody's name."""
    if part.word not in towns.GREAT:
        return part
    return replace(part, ways={**part.ways, FAMILY + part.word: _GREAT_TOWN, TOWN + part.word: 0.5})


def _box(piece: str) -> Sought | None:
    plain = "".join(fold(piece.removeprefix("mailto:").strip("<>,;")))[:60]
    return Sought(piece, {f"{BOX}{plain}*": 0.0}) if plain else None


def _words(text: str) -> list[str]:
    """The words of a query: ``paris15`` are two, the digits of a long number one."""
    words = list[str]()
    for digits, run in groupby(saint(fold(text)), str.isdigit):
        some = list(run)
        if digits:
            words += ["".join(some)] if len(some) > 2 or sum(map(len, some)) > 7 else some
        else:
            words += [piece for word in some for piece in _unglued(word)]
    return words


def _unglued(word: str) -> tuple[str, ...]:
    glued = _GLUED.fullmatch(word)
    return glued.groups() if glued else (word,)


def _read(words: Sequence[str]) -> Iterator[Sought]:
    count = _that_count(words)
    particles, place = "", 0
    while place < len(count):
        size, part = _phrase(count, place)
        if part is None:
            size, word = 1, count[place]
            if (word in _PARTICLES or is_saint(word)) and place + 1 < len(count):
                particles, place = particles + word, place + 1
                continue
            if word not in _BETWEEN or len(count) == 1:
                yield _single(word, particles)
        else:
            yield part
        particles, place = "", place + size


def _that_count(words: Sequence[str]) -> list[str]:
    """Titles and other words of no use are left out, unless nothing else is there."""
    count = [word for word in words if word not in _TITLES and word not in _SAID and word not in _SERVICE]
    return count or [word for word in words if word in _SERVICE] or list(words)


def _phrase(words: Sequence[str], place: int) -> tuple[int, Sought | None]:
    """The longest known phrase of several words that begins here, and how many words it has."""
    if place + 1 < len(words) and (code := arrondissement(words[place], words[place + 1])):
        return 2, Sought(f"{words[place]} {words[place + 1]}", {TOWN + code: _WHOLE[TOWN]})
    for size in range(min(_LONGEST_PHRASE, len(words) - place), 1, -1):
        phrase = tuple(words[place : place + size])
        if ways := dict(_known(phrase)):
            return size, Sought(" ".join(phrase), ways)
    return 1, None


def _known(phrase: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for kind, asked in _ASKED:
        for word in asked.get(phrase, ()):
            yield kind + word, _WHOLE[kind]
            if kind == TOWN:
                yield STRUCTURE + word, _WHOLE[STRUCTURE]  # (the house of a town may stand in the next one)


def _single(word: str, particles: str) -> Sought:
    if word[0].isdigit():
        return _number(word)
    ways = dict[str, float]()
    _add_names(ways, word, particles)
    _add_beginnings(ways, word)
    if particles:
        ways |= {f"{kind}{particles}{word}*": _WHOLE[kind] + BEGINNING for kind in (FAMILY, GIVEN, TOWN)}
    ways |= dict(_known((word,)))
    if word in _WEAK:
        return Sought(word, ways, weak=True)
    return Sought(particles + word, ways, word)


def _add_names(ways: dict[str, float], word: str, particles: str) -> None:
    bare = (_NO_SAINT if particles.endswith(_SAINT) else _BARE) if particles else _FULL
    for kind in (FAMILY, GIVEN, TOWN):
        ways[kind + word] = _WHOLE[kind] + bare
        if particles:
            ways[kind + (particles + word)[:LONGEST]] = _WHOLE[kind] + _FULL
    ways[STRUCTURE + word] = _WHOLE[STRUCTURE]
    ways[CRAFT + crafts.stem(word)] = _WHOLE[CRAFT]
    if len(word) < 4:
        ways[INITIAL + word] = _WHOLE[INITIAL]


def _add_beginnings(ways: dict[str, float], word: str) -> None:
    """One letter begins names only."""
    ways |= {f"{kind}{word}*": _WHOLE[kind] + BEGINNING for kind in (FAMILY, GIVEN)}
    if len(word) > 1:
        ways |= {f"{kind}{word}*": _WHOLE[kind] + BEGINNING for kind in (TOWN, STRUCTURE)}
    if len(word) > 2:
        ways[f"{CRAFT}{crafts.stem(word)}*"] = _WHOLE[CRAFT] + BEGINNING


def _number(word: str) -> Sought:
    """A department, a postcode, or a national number: whole, begun, or with the digit of its kind before it."""
    if len(word) < 4:
        return Sought(word, {TOWN + word.zfill(2): _WHOLE[TOWN]})
    postcode = {f"{TOWN}{word}*": _WHOLE[TOWN]} if len(word) <= _POSTCODE else {}
    if postcode and not word.startswith("10"):  # no RPPS number begins so
        return Sought(word, postcode)
    ways = postcode | {f"{NUMBER}{word}*": 0.0}
    if len(word) == 12 and word[0] == "8":
        ways[f"{NUMBER}{word[1:]}"] = 0.0
    return Sought(word, ways)
