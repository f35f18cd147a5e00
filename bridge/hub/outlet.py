"""One network's way out: which of its lanes are worked on, and which wait as rows of the database.

A lane is one conversation on one network. Only lanes that can go on are in memory: as many as the network may be called
at once, and a bounded number that come next. A lane that has to wait is forgotten; the database says when it is due.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable

from bridge.errors import Unavailable, where
from bridge.parts.breaker import Breaker
from bridge.parts.lanes import Lanes
from bridge.parts.patience import Patience
from bridge.store.backlog import Backlog

log = logging.getLogger(__name__)
_PAGE = 100  # deliveries in one look at the disk
_REMEMBERED = 1000  # lanes that come next; more are found on the disk
_LOOK = 600.0  # s between two looks through everything on the disk, in case something was overlooked

Work = Callable[[str, bool], Awaitable[bool]]
"""Work on the next deliveries of a lane, ``eager``: without regard to waiting times. True: there may be more now."""


class Outlet:
    """Gives lanes to ``work``. ``clock`` gives milliseconds since 1970."""

    def __init__(
        self, backlog: Backlog, patience: Patience, work: Work, clock: Callable[[], int], jitter: Callable[[], float]
    ) -> None:
        self.backlog = backlog
        self._patience = patience
        self._work = work
        self._clock = clock
        self._breaker = Breaker(patience, _seconds, jitter)
        once = Patience(first=patience.first, longest=patience.first)  # until a database that was away is asked again
        self._lanes = Lanes(f"lanes of {backlog.network}", self._one, once, failed=self._bug, ended=self._ended)
        self._again: set[str] = set()  # lanes at work in which more was written
        self._hasty: set[str] = set()  # lanes that begin without regard to waiting times
        self._claimed: dict[str, bool] = {}  # lanes that nobody may work on; True: woken meanwhile
        self._tries: dict[str, bool] = {}  # of a network that is down: its lanes under way, fresh or not
        self._fresh: dict[str, None] = {}  # lanes that come next, for they were woken
        self._stored: dict[str, bool] = {}  # lanes that come next, found on the disk; True: eager
        self._named: dict[str, float] = {}  # lanes whose network named a time: until then nothing makes them eager
        self._looks = 0  # begun so far
        self._look: int | None = None  # where the look through the disk goes on, None: it has ended
        self._eager = self._missed = self._turn = False
        self._tried = (0, "")
        self._again_at = math.inf  # s, when the disk holds a lane that is due again
        self.failing = ""
        """The code of the last failure, as long as nothing has gone out since."""
        self.failed_at = 0  # ms, when it was last found to be away
        self._look_at = 0.0  # s, when everything is looked through the next time
        self._stirred = asyncio.Event()
        self._on = False

    @property
    def down(self) -> bool:
        """Whether the network seems to be away: only now and then a delivery tries it."""
        return self._breaker.down

    @property
    def idle(self) -> bool:
        """Whether nothing is worked on and nothing is left to look for."""
        return not self._lanes and not self._fresh and not self._stored and self._look is None

    # ---- what happens

    def wake(self, conversation: str) -> None:
        """Something was written in this lane."""
        if conversation in self._claimed:
            self._claimed[conversation] = True
        elif conversation in self._lanes:
            self._again.add(conversation)
        elif not self._on or conversation in self._stored:
            return
        elif not self.down and self._free and not self._fresh:
            self._start(conversation)
        elif len(self._fresh) < _REMEMBERED:
            self._fresh[conversation] = None
            if self.down:
                self._stirred.set()
        else:
            self._missed = True
            self._look = self._look or 0

    def hurry(self, conversation: str) -> None:
        """What this lane waits for has happened, as the disk says; an attempt that is under way does not know it."""
        self._named.pop(conversation, None)
        if conversation in self._lanes:
            self._hasty.add(conversation)
        self.wake(conversation)

    def look_through(self, *, eager: bool) -> None:
        """Find every lane that the disk holds; ``eager``: whatever waits for a time, too."""
        self._look, self._eager, self._missed = 0, eager, False
        self._looks += 1
        self._again_at, self._look_at = 0.0, _seconds() + _LOOK
        self._stirred.set()

    def again_in(self, conversation: str, seconds: float, named: float | None) -> None:
        """The disk holds a lane that is due then; ``named``: the network itself named this time (s)."""
        now = _seconds()
        if named:
            self._named.pop(conversation, None)
            self._named[conversation] = now + named
            if len(self._named) > _REMEMBERED:
                del self._named[next(iter(self._named))]
        if now + seconds < self._again_at:
            self._again_at = now + seconds
            self._stirred.set()

    def failed(self, conversation: str, reason: Unavailable) -> None:
        """A lane could not go on."""
        if reason.alone:
            return
        self.failed_at, self.failing = self._clock(), reason.code
        if self._breaker.failed(conversation, reason.retry_after, self._tries.get(conversation)):
            log.warning("%s is away (%s): one delivery at a time tries it", self.backlog.network, reason)
            self._stored.clear()

    def worked(self, conversation: str) -> None:
        """A lane went on."""
        self.failing = ""
        if self._breaker.worked(conversation):
            log.warning("%s is back: what waits goes on", self.backlog.network)
            self.look_through(eager=True)

    def answered(self) -> None:
        """A sign of life: whatever waits may try now."""
        if self._breaker.answered():
            self.look_through(eager=True)

    def claim(self, conversations: Iterable[str]) -> set[str]:
        """Keep these lanes from being worked on, until :meth:`release`; gives those that were free."""
        mine = {lane for lane in conversations if lane not in self._lanes}
        self._claimed.update(dict.fromkeys(mine, False))
        return mine

    def release(self, claimed: Iterable[str]) -> None:
        """They may go on."""
        for lane in claimed:
            if self._claimed.pop(lane):
                self.wake(lane)

    # ---- life

    async def run(self) -> None:
        """Work until cancelled."""
        self._on = True
        self.look_through(eager=True)  # waiting times of an earlier life of the hub do not count
        try:
            while True:
                self._stirred.clear()
                await self._wait(await self._fill())
        finally:
            self._on = False  # what is accepted from now on is delivered after the next start
            await self._lanes.stop()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass

    async def _fill(self) -> float:
        """Start what may start; gives the seconds until there may be more."""
        try:
            return await (self._probe() if self.down else self._load())
        except Unavailable:  # the database
            return self._patience.first
        except Exception as bug:
            log.error("lanes of %s cannot be found: %s", self.backlog.network, where(bug))
            return self._patience.longest

    async def _load(self) -> float:
        """Read lanes from the disk as long as there is room for them."""
        while not self.down:
            self._start_next()
            left = self._again_at - _seconds()
            if not self._free:
                return left if left > 0 else math.inf  # a lane that ends stirs
            if left <= 0:
                await self._load_due()
            elif self._look is not None:
                await self._load_page(self._look)
                await asyncio.sleep(0)
            elif self._look_at <= _seconds():
                self.look_through(eager=False)
            else:
                return min(left, self._look_at - _seconds())
        return 0.0

    async def _load_due(self) -> None:
        now, limit = self._clock(), _PAGE + self._patience.parallel
        due = await self.backlog.again(now, limit)
        self._again_at = 0.0 if len(due) == limit else math.inf
        if len(due) < limit and (next_at := await self.backlog.next_again(now)) is not None:
            self._again_at = min(self._again_at, _seconds() + (next_at - now) / 1000)
        for lane in due:
            self._store(lane, eager=False)

    async def _load_page(self, place: int) -> None:
        look = self._looks
        rows, now = await self.backlog.after(place, _PAGE), self._clock()
        for row in rows:
            waits = row.next_at > now
            if not waits or (self._eager and self._may_hurry(row.conversation)):
                self._store(row.conversation, eager=waits)
        if self._looks != look:
            return  # it has begun anew meanwhile, perhaps for what this page does not show yet
        self._look = rows[-1].place if len(rows) == _PAGE else None
        if self._look is None and self._missed:
            self.look_through(eager=False)

    def _may_hurry(self, lane: str) -> bool:
        return self._named.get(lane, 0.0) <= _seconds()

    def _store(self, lane: str, *, eager: bool) -> None:
        if lane not in self._lanes and lane not in self._fresh and not self.down:
            self._stored.setdefault(lane, eager)

    async def _probe(self) -> float:
        """The network is down: one waiting delivery tries it, and one that has just come, each when it is time."""
        return min(self._probe_fresh(), await self._probe_stored())

    def _probe_fresh(self) -> float:
        if not self._fresh or True in self._tries.values():
            return math.inf  # whoever comes or ends stirs
        if pause := self._breaker.pause(True):
            return pause
        self._try(self._take(self._fresh)[0], fresh=True, eager=False)
        return math.inf if True in self._tries.values() else 0.0

    async def _probe_stored(self) -> float:
        if False in self._tries.values():
            return math.inf
        if pause := self._breaker.pause(False):
            return pause
        row = await self.backlog.another(*self._tried)
        if not self.down:
            return 0.0
        if row is None or row.conversation in self._lanes:
            return math.inf
        self._tried = (row.place, row.conversation)
        self._fresh.pop(row.conversation, None)
        self._try(row.conversation, fresh=False, eager=self._may_hurry(row.conversation))
        return math.inf if False in self._tries.values() else self._patience.first

    # ---- lanes

    @property
    def _free(self) -> bool:
        return len(self._lanes) < self._patience.parallel

    def _start_next(self) -> None:
        while self._free and not self.down and (self._fresh or self._stored):
            self._turn = not self._turn  # neither keeps the other waiting
            queue: dict[str, bool] | dict[str, None] = self._fresh if self._turn else self._stored
            self._start(*self._take(queue or self._fresh or self._stored))

    def _take(self, queue: dict[str, bool] | dict[str, None]) -> tuple[str, bool]:
        lane = next(iter(queue))
        return lane, bool(queue.pop(lane))

    def _try(self, lane: str, *, fresh: bool, eager: bool) -> None:
        if lane not in self._claimed:
            self._breaker.begun(fresh)
            self._tries[lane] = fresh
        self._start(lane, eager)

    def _start(self, lane: str, eager: bool = False) -> None:
        if lane in self._claimed:
            self._claimed[lane] = True
            return
        if eager:
            self._hasty.add(lane)
        self._lanes.wake(lane)

    async def _one(self, lane: str) -> float | None:
        eager = lane in self._hasty
        self._again.discard(lane)
        self._hasty.discard(lane)
        more = await self._work(lane, eager) or lane in self._again
        if more and (self.down or self._fresh or self._stored):
            self._fresh[lane] = None  # others come first
            return None
        return 0.0 if more else None

    async def _bug(self, lane: str, _: int, bug: Exception) -> float:
        log.error("a lane of %s (%s) failed unexpectedly: %s", self.backlog.network, lane, where(bug))
        return self._patience.longest

    def _ended(self, lane: str) -> None:
        """There is room."""
        self._tries.pop(lane, None)
        if not self._on:
            return
        self._start_next()
        if self.down or (self._free and (self._look is not None or self._again_at <= _seconds())):
            self._stirred.set()


def _seconds() -> float:
    return asyncio.get_running_loop().time()
