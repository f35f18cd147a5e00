"""Pure: whether a network is there at all, judged by its failures, and when it may be tried again."""

from __future__ import annotations

from collections.abc import Callable

from bridge.parts.patience import Patience

_LANES = 3  # that many lanes in a row have failed, and none has worked: the network is down
_KNOWN = 100  # lanes that are remembered as failing for their own sake


class Breaker:
    """The circuit breaker of one network.

    One lane that fails says little: its conversation may be the reason. Several lanes in a row say that the network is
    ``down``. From then on one delivery at a time tries it, with the pauses of ``patience``. Each time it is another
    lane's, so no single conversation decides. A lane that has just got a message (``fresh``) may try beside it, at a
    steady pace: a network that only fails some conversations goes on serving the others. ``clock`` counts seconds and
    never jumps.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self.down = False
        self._patience = patience
        self._clock = clock
        self._jitter = jitter
        self._lanes: set[str] = set()  # that failed since one worked
        self._known: set[str] = set()  # that failed while others worked: they tell nothing about the network
        self._tries = 0
        self._next = {False: 0.0, True: 0.0}  # fresh: when the next may try

    def failed(self, lane: str, retry_after: float | None, fresh: bool | None) -> bool:
        """A lane has failed for the network's sake; True: the network is down now and was not before.

        ``fresh``: which of the two tries it was; None: it began while the network seemed to be there.
        """
        if self.down and fresh is None:
            return False  # the failures that were under way tell nothing new
        if len(self._lanes) < _KNOWN:
            self._lanes.add(lane)
        opened = not self.down
        if opened and len(self._lanes - self._known) < _LANES:
            return False
        self.down = True
        self._pause(retry_after or 0.0, bool(fresh))
        return opened

    def _pause(self, named: float, fresh: bool) -> None:
        now, patience = self._clock(), self._patience
        self._next[True] = now + max(2 * patience.first, min(named, patience.longest))
        if not fresh:
            self._next[False] = now + max(patience.backoff(self._tries, self._jitter), named)
            self._tries += 1

    def begun(self, fresh: bool) -> None:
        """A try begins; it may end without a word about the network."""
        self._next[fresh] = self._clock() + self._patience.first

    def worked(self, lane: str) -> bool:
        """A lane has worked; True: the network was down."""
        if len(self._known | self._lanes) <= _KNOWN:
            self._known |= self._lanes
        self._known.discard(lane)
        return self._closed()

    def _closed(self) -> bool:
        was, self.down, self._tries = self.down, False, 0
        self._lanes.clear()
        return was

    def answered(self) -> bool:
        """The network gave a sign of life of its own accord; True: lanes were failing."""
        failing = bool(self._lanes)
        return self._closed() or failing

    def pause(self, fresh: bool) -> float:
        """Seconds until a try is allowed (0: now)."""
        return max(0.0, self._next[fresh] - self._clock())
