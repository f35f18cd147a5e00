"""A user of a product is away for a while."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.model import Absence, Address, Person
from bridge.networks.connect import translate
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fields import time_text
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.users.absence_words import NewAbsence
from bridge.networks.connect.users.absences import KeptAbsences
from bridge.networks.connect.wire import milliseconds


class AbsenceCalls:
    """``clock`` gives seconds since 1970. Without ``kept`` nobody is away."""

    def __init__(self, kept: KeptAbsences | None, clock: Callable[[], float]) -> None:
        self._kept = kept
        self._clock = clock

    async def be_absent(self, call: Call) -> web.Response:
        """PUT /users/{id}/absence."""
        said, user = call.parse(NewAbsence), Address(call.network, call.id)
        me = await call.hub.facts.identify(user, "id")
        other = None if said.substitute is None else await call.hub.facts.person(said.substitute)
        if other is not None and (other.id == me.id or not other.active):
            raise Refused("person_inactive" if other.id != me.id else "own_substitute", "substitute")
        if said.to == "both" and other is None:
            raise Refused("no_substitute", "substitute")
        begin = int(self._clock() * 1000) if said.since is None else milliseconds(said.since)
        ident = None if other is None else other.id
        absence = Absence(me.id, begin, milliseconds(said.until), ident, said.words or "", said.to == "both")
        await self._stored.put(call.hub, user, absence)
        return await self._answer(call, absence)

    async def absence(self, call: Call) -> web.Response:
        """GET /users/{id}/absence."""
        user = await self._user(call)
        found = await self._stored.of(user)
        if found is None:
            raise Refused("not_absent", "id")
        return await self._answer(call, found)

    async def be_back(self, call: Call) -> web.Response:
        """DELETE /users/{id}/absence."""
        await self._stored.back(call.hub, await self._user(call))
        return web.Response(status=204)

    async def _user(self, call: Call) -> Address:
        """Raises Refused (unknown_sender)."""
        await call.declared(call.id, "id")
        return Address(call.network, call.id)

    async def _answer(self, call: Call, absence: Absence) -> web.Response:
        other = None if absence.substitute is None else await _known(call, absence.substitute)
        return json_answer(
            {
                "since": time_text(absence.begin),
                "until": time_text(absence.end),
                "substitute": None if other is None else translate.to_person(other),
                "words": absence.words or None,
                "to": "both" if absence.both else "absent",
            }
        )

    @property
    def _stored(self) -> KeptAbsences:
        if self._kept is None:
            raise Unavailable("not_ready", 2)
        return self._kept


async def _known(call: Call, person: str) -> Person:
    """Whoever has left the directory since is a bare id."""
    try:
        return await call.hub.facts.person(person)
    except Refused:
        return Person(person, person, listed=False, active=False)
