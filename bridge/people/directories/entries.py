"""A row of the CSV as an entry that is searched: one field for all names, one for all places. Pure."""

from __future__ import annotations

from bridge.model import MAIL, Person
from bridge.people.searching.entry import Entry, Workplace
from bridge.people.searching.folding import fold, is_particle, listed

_TITLES = listed("dr docteur pr professeur m mme mlle")


def entry_of(person: Person) -> Entry:
    """The person's entry. Of the names those in capitals are the family's, else the last one with its particles."""
    given, family = _names(person.name)
    return Entry(
        person.id, "person", family, given,
        profession=person.profession,
        places=(_workplace(person.place),) if person.place else (),
        boxes=tuple(a.id for a in person.addresses if a.network == MAIL),
        accounts=tuple(a for a in person.addresses if a.network != MAIL),
    )  # fmt: skip


def _names(name: str) -> tuple[str, str]:
    """The given names and the family name."""
    words = name.split()
    while len(words) > 1 and "".join(fold(words[0])) in _TITLES:
        words = words[1:]
    capitals = [word for word in words if len(word) > 1 and word.isupper()]
    if 0 < len(capitals) < len(words):
        return " ".join(word for word in words if word not in capitals), " ".join(capitals)
    first = len(words) - 1
    while first > 1 and is_particle("".join(fold(words[first - 1]))):
        first -= 1
    return " ".join(words[:first]), " ".join(words[first:])


def _workplace(place: str) -> Workplace:
    """``Clinique des Lilas, Grenoble`` is a house and its town; one word is a town, anything else a house."""
    house, _, town = place.rpartition(",")
    if house:
        return Workplace(house.strip(), town.strip())
    return Workplace(place) if len(place.split()) > 1 else Workplace(town=place)
