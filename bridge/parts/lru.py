"""A bounded map that forgets what was not used for longest, except what is in use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """At most ``size`` entries, more only while ``busy`` says of the old ones that they are in use."""

    def __init__(self, size: int, busy: Callable[[V], bool] | None = None) -> None:
        self._size = size
        self._busy = busy
        self._map: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, which becomes the newest."""
        value = self._map.get(key)
        if value is not None:
            self._map.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """The value, which becomes no newer by that."""
        return self._map.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value; may drop old ones."""
        self._map[key] = value
        self._map.move_to_end(key)
        if len(self._map) > self._size:
            self._shrink()
        return value

    def _shrink(self) -> None:
        for key in list(islice(self._map, len(self._map) - self._size)):
            if self._busy is None or not self._busy(self._map[key]):
                del self._map[key]

    def drop(self, key: K) -> V | None:
        """Forget one key; gives its value."""
        return self._map.pop(key, None)

    def oldest(self) -> V | None:
        """The value that was not used for longest."""
        return next(iter(self._map.values()), None)

    def known(self) -> list[K]:
        """All keys, oldest first."""
        return list(self._map)

    def items(self) -> list[tuple[K, V]]:
        """Everything, oldest first."""
        return list(self._map.items())

    def __len__(self) -> int:
        return len(self._map)
