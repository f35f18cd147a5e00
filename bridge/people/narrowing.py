"""Pure: whether somebody who was found is among those who are wanted (:class:`bridge.receiver.Narrowing`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from bridge.model import MAIL, Person
from bridge.people.searching.folding import fold
from bridge.receiver import ALL, Narrowing

_BEGINNING = 6  # letters that say what a word is: cardiologue, cardiologie; infirmière, infirmier
_MORE = 4
_SHORT = 2  # a word that says nothing: de, le, du

WrittenWith = Callable[[str], Awaitable[Sequence[str]]]
"""A person id -> the ids of those with whom they have written, the latest first."""


async def nobody(person: str) -> Sequence[str]:
    """See :data:`WrittenWith`."""
    return ()


def searched(query: str, narrowing: Narrowing) -> str:
    """The words to search: what is wanted narrows the search itself, or the first hits would be others."""
    return " ".join(part for part in (query, narrowing.profession, narrowing.place, narrowing.town) if part)


def depth(narrowing: Narrowing, limit: int) -> int:
    """How many are to be found for a page: more where some of them are not wanted."""
    return (narrowing.after + limit) * (1 if narrowing == ALL else _MORE)


def a_page(found: Iterable[Person], narrowing: Narrowing, limit: int) -> list[Person]:
    """Those who are wanted, after those who were shown before."""
    wanted = [person for person in found if fits(person, narrowing)]
    return wanted[narrowing.after : narrowing.after + limit]


def fits(person: Person, narrowing: Narrowing) -> bool:
    """Whether somebody is wanted."""
    if narrowing.kind and narrowing.kind != kind_of(person):
        return False
    wanted = (
        (narrowing.profession, person.profession),
        (narrowing.place, person.place),
        (narrowing.town, person.place),
    )
    return all(_has(field, words) for words, field in wanted if words)


def kind_of(person: Person) -> str:
    """``person``, ``service`` or ``function``, by the id (``rpps:``, ``idnps:``, ``mail:``, others)."""
    kind = person.id.partition(":")[0]
    return "service" if kind == MAIL else "person" if kind in ("rpps", "idnps") else "function"


def _has(field: str, words: str) -> bool:
    """Whether each word that says something begins as a word of the field does."""
    known = [word[:_BEGINNING] for word in fold(field)]
    wanted = [word[:_BEGINNING] for word in fold(words) if len(word) > _SHORT]
    return all(any(one.startswith(word) for one in known) for word in wanted)
