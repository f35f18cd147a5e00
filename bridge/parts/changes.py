"""Whose device lists changed since when: a change concerns the rooms of that person, not every room. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.parts.lru import Lru


class Changes:
    """Numbers the changes of device lists and keeps the newest number of each person.

    Of ``size`` people at most: of those who are forgotten it is only known that they changed before ``_floor``.
    """

    def __init__(self, size: int = 100_000) -> None:
        self.newest = 0
        self._size = size
        self._floor = 0
        self._people: Lru[str, int] = Lru(size)

    def note(self, user: str) -> None:
        """This person's list has just changed, or may have."""
        self.newest += 1
        if len(self._people) == self._size and self._people.peek(user) is None:
            self._floor = self._people.oldest() or 0
        self._people.put(user, self.newest)

    def concern(self, users: Iterable[str], since: int) -> bool:
        """Whether any of these people's lists may have changed after the change with the number ``since``."""
        return since < self._floor or any((self._people.peek(user) or 0) > since for user in users)
