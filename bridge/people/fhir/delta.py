"""What has changed since a time, put together from several searches to whole people and service mailboxes.

A change of a role is a change of its person: whoever is concerned is read again whole, with all roles and their
structures, so that the same change read twice gives the same. A closed role names neither person nor structure any
more (ANS: id, identifiers and ``active`` only): that it is gone comes with the next flat file. In memory are the
technical ids of who has changed (about 12,000 a day) and some thousand structures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from bridge.parts.lru import Lru
from bridge.people.fhir.api import Api, Json, NoAnswer, PageExpired
from bridge.people.fhir.resources import (
    Labels,
    Seen,
    name_of,
    organization,
    practitioner,
    reference,
)

KEPT = timedelta(days=30)
"""For how long the API keeps what has changed (ANS); an older mark needs a flat file first."""

_TOGETHER = 40  # people, or structures, in one question
_STRUCTURES = 5_000
_AGAIN = 3  # times that a search is begun anew
_CHANGED_MOST = 500_000  # people: 30 days have 370,000 changes

Params = Sequence[tuple[str, str]]


class TooOld(Exception):
    """The API does not know any more what has changed since then."""


class DeltaReader:
    """``labels``: of codes of professions and specialities, as the flat files have them."""

    def __init__(self, api: Api, labels: Labels) -> None:
        self._api = api
        self._labels = labels
        self._structures: Lru[str, Json] = Lru(_STRUCTURES)

    async def changed(self, since: datetime, until: datetime) -> AsyncIterator[Seen]:
        """Everybody who has changed from ``since`` on and before ``until``; the same one may come twice.

        Raises TooOld, AnswerRefused, NoAnswer, NotWhole.
        """
        if until - since > KEPT:
            raise TooOld
        window = [("_lastUpdated", f"ge{_instant(since)}"), ("_lastUpdated", f"lt{_instant(until)}")]
        ids = {name_of(one).partition("/")[2]: None async for one in self._all("Practitioner", window)}
        async for role in self._all("PractitionerRole", window):
            _, _, ident = reference(role.get("practitioner")).partition("/")
            if ident:
                ids.setdefault(ident)
            if len(ids) > _CHANGED_MOST:
                raise NoAnswer("more people have changed than there can be in 30 days")
        for some in _chunks(ids):
            for seen in await self._people(some):
                yield seen
        async for structure in self._all("Organization", window):
            self._structures.drop(name_of(structure))
            for seen in organization(structure):
                yield seen

    async def _people(self, ids: Sequence[str]) -> list[Seen]:
        """These, whole."""
        asked = [("_id", ",".join(ids)), ("_revinclude", "PractitionerRole:practitioner")]
        people: dict[str, Json] = {}
        roles: dict[str, dict[str, Json]] = {}
        async for resource in self._all("Practitioner", asked):
            if resource.get("resourceType") == "Practitioner":
                people[name_of(resource)] = resource
            elif resource.get("resourceType") == "PractitionerRole":
                roles.setdefault(reference(resource.get("practitioner")), {})[name_of(resource)] = resource
        every = [role for of in roles.values() for role in of.values() if role.get("active") is not False]
        at = await self._at({reference(role.get("organization")) for role in every} - {""})
        found = [practitioner(one, [*roles.get(name, {}).values()], at, self._labels) for name, one in people.items()]
        return [seen for seen in found if seen is not None]

    async def _at(self, names: Iterable[str]) -> dict[str, Json]:
        """Structures by reference; one that the server does not give is left out."""
        known = {name: self._structures.get(name) for name in sorted(names)}
        missing = [name.partition("/")[2] for name, structure in known.items() if structure is None]
        for some in _chunks(missing):
            async for structure in self._all("Organization", [("_id", ",".join(some))]):
                known[name_of(structure)] = self._structures.put(name_of(structure), structure)
        return {name: structure for name, structure in known.items() if structure is not None}

    async def _all(self, resource: str, params: Params) -> AsyncIterator[Json]:
        """Every resource of a search; after a page that the server has forgotten it begins anew."""
        for _ in range(_AGAIN):
            try:
                async for page in self._api.pages(resource, params):
                    for one in page:
                        if isinstance(one.get("id"), str):
                            yield one
            except PageExpired:
                continue
            return
        raise NoAnswer("the server forgets the pages of a search before they are read")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _chunks(ids: Iterable[str]) -> list[list[str]]:
    every = list(ids)
    return [every[n : n + _TOGETHER] for n in range(0, len(every), _TOGETHER)]
