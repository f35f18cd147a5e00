"""The words under which an entry is found. Pure.

A word is a letter that says its kind, then small ASCII letters and digits.
"""

from __future__ import annotations

from functools import lru_cache

from bridge.people.searching.crafts import craft_words
from bridge.people.searching.entry import Entry, Workplace
from bridge.people.searching.establishments import house_words
from bridge.people.searching.folding import department_of, fold, initials, name_words, town_words
from bridge.people.searching.sounds import sound

FAMILY = "f"  # and what a service is called
GIVEN = "g"
INITIAL = "j"  # first letters of given names
CRAFT = "c"  # profession and specialities
TOWN = "t"  # town, postcode, department
STRUCTURE = "o"  # establishment, organisation
NUMBER = "i"  # national identifier: of one entry only
BOX = "m"  # mail address without signs: of hardly more than one entry
SOUND = "s"  # how a family name sounds

MISTYPED = FAMILY + GIVEN + TOWN + CRAFT + STRUCTURE
"""The kinds of which a search asks what is near; others need no trigrams."""

VERSION = 3
"""It grows whenever words change: a store that was filled under another one is filled anew."""

_KEPT = 16_384


def words_of(entry: Entry) -> set[str]:
    """The words under which a store keeps an entry: none for whom no search finds (red list, closed)."""
    if entry.red or entry.closed:
        return set()
    found = _named(entry) | _numbers(entry)
    for label in (entry.profession, *entry.specialities):
        found |= _craft(label)
    for place in entry.places:
        found |= _placed(place)
    return found | _structure(entry.organisation) if entry.organisation else found


def _named(entry: Entry) -> set[str]:
    if entry.kind != "person":
        return {
            *_craft(entry.family),
            *_structure(entry.family),
            *(FAMILY + word for word in house_words(entry.family)),
        }
    names = {word for name in (entry.family, *entry.other_names) for word in name_words(name)}
    found = {FAMILY + word for word in names}
    found |= {SOUND + code for code in map(sound, names) if code}
    found |= {GIVEN + word for word in name_words(entry.given)}
    return found | {INITIAL + word for word in initials(entry.given)}


def _numbers(entry: Entry) -> set[str]:
    scheme, _, ident = entry.id.partition(":")
    found = {BOX + "".join(fold(box))[:60] for box in entry.boxes}
    if scheme in ("rpps", "idnps"):
        found.add(NUMBER + "".join(fold(ident)))
    if scheme == "idnps" and len(ident) > 1:
        found.add(NUMBER + "".join(fold(ident[1:])))  # its first digit only says of which kind it is
    return found


@lru_cache(_KEPT)
def _craft(label: str) -> frozenset[str]:
    return frozenset(CRAFT + word for word in craft_words(label))


@lru_cache(_KEPT)
def _structure(name: str) -> frozenset[str]:
    return frozenset(STRUCTURE + word for word in house_words(name))


@lru_cache(_KEPT)
def _placed(place: Workplace) -> frozenset[str]:
    found = {TOWN + word for word in town_words(place.town)}
    department = "".join(fold(place.department)) or department_of(place.postcode)
    found |= {TOWN + word for word in (*fold(place.postcode), department) if word}
    return frozenset(found | _structure(place.structure))
