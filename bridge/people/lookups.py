"""How much of the directory one user, and one network, may look at: enough for work, too little to read it out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.errors import Refused
from bridge.model import Address, Person
from bridge.parts.bucket import Bucket
from bridge.parts.distinct import Distinct
from bridge.parts.lru import Lru

_log = logging.getLogger(__name__)
_DAY = 86_400
_USERS_KEPT = 20_000  # each takes as many bytes as the people that may be shown a day
_NETWORKS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """``people``: different ones shown to one user in a day; ``rate``: searches per second, ``burst`` at once.

    Clients search while their user is typing: a dozen letters are as many searches, and each shows people. A product
    that does not say who asks has only the limits of its network, as has everybody of that network together.
    """

    people: int = 1_000
    rate: float = 0.5
    burst: int = 60
    network_people: int = 20_000
    network_rate: float = 20.0
    network_burst: int = 400
    answer: int = 50


class _Looked:
    """What one user, or one network, has looked at today."""

    def __init__(self, rate: float, burst: int, people: int) -> None:
        self._bucket = Bucket(rate, burst)
        self._people = people
        self._day = -1.0
        self._seen = Distinct(people)

    def wait(self, now: float) -> float:
        """Take one search: 0, or the seconds until there is one."""
        if self._day != now // _DAY:
            self._day, self._seen = now // _DAY, Distinct(self._people)
        return self._bucket.take(now)

    @property
    def full(self) -> bool:
        return len(self._seen) >= self._people

    def show(self, person: str) -> None:
        self._seen.add(person)


class Lookups:
    """Every search by name goes through here, from whichever surface: see :meth:`bridge.people.people.People.search`.

    A search is ``take(by)``, then the work, then ``shown(by, found)``. ``by`` is the address of the user who asks, in
    their own network (``Address("matrix", "@ben:chu.example")``); its id is empty where the network does not say it.
    Whoever is named exactly (a number, a mail address, an account) needs no search and is not counted.
    Counts are in memory, of a fixed size for each user, and begin anew with a day (UTC) and with the process.
    """

    def __init__(self, limits: SearchLimits = SearchLimits(), clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self.limits = limits
        self._clock = clock
        self._users: Lru[Address, _Looked] = Lru(_USERS_KEPT)
        self._networks: Lru[str, _Looked] = Lru(_NETWORKS_KEPT)

    def take(self, by: Address) -> None:
        """One search more. Raises Refused: searched_too_fast, searched_enough (for today)."""
        now = self._clock()
        all_looked = self._looked(by)
        waits = [looked.wait(now) for looked in all_looked]  # each counts, whatever the other says
        if any(waits):
            raise Refused("searched_too_fast")
        if any(looked.full for looked in all_looked):
            raise Refused("searched_enough")

    def shown(self, by: Address, found: Sequence[Person]) -> None:
        """These people are shown; the log has their number, and not what was asked."""
        for looked in self._looked(by):
            for person in found:
                looked.show(person.id)
        _log.info("search by %s: %d found", by, len(found))

    def _looked(self, by: Address) -> list[_Looked]:
        lim = self.limits
        network = self._networks.get(by.network) or self._networks.put(
            by.network, _Looked(lim.network_rate, lim.network_burst, lim.network_people)
        )
        if not by.id:
            return [network]
        return [self._users.get(by) or self._users.put(by, _Looked(lim.rate, lim.burst, lim.people)), network]
