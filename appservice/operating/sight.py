"""Everything that shows an operator how the hub stands, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from appservice.operating import queued, status, traced, who
from appservice.operating.door import Act
from appservice.operating.metrics import Metrics
from appservice.operating.overview import Overview, SealStand
from appservice.operating.surroundings import Surroundings
from bridge.hub.assembly import Core
from bridge.hub.hub import now_ms
from bridge.hub.operating.tracing import Tracing
from bridge.hub.operating.waiting import WaitingQueue
from bridge.people.server_list import ServerList


class Sight:
    """``trouble`` says why nobody can be reached now, in English; ``sealing`` for what another key is needed."""

    def __init__(
        self, core: Core, servers: ServerList, trouble: Callable[[], str], around: Surroundings,
        sealing: Callable[[], Awaitable[SealStand]],
    ) -> None:  # fmt: skip
        names = list(core.served)
        self._queue = WaitingQueue(core.store, core.courier, core.served, now_ms)
        self._core = core
        self._tracing = Tracing(core.db, names, self._queue)
        self._standing = Overview(core, self._queue, servers, trouble, around, sealing)
        self.metrics = Metrics(self._standing)

    def acts(self) -> Mapping[str, Act]:
        """What the hub does when it is asked."""
        asked = {**status.acts(self._standing), **queued.acts(self._queue), **traced.acts(self._tracing)}
        return {**asked, **who.acts(self._core, self._tracing)}
