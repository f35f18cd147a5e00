"""Which servers take part: this one, those of the configuration, those of the signed list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from liaison_policy.kept import KeptList
from liaison_policy.reasons import Refusal


class Servers:
    """``more`` are exact names, or ``*.domain`` for children; without a list and without these, no other server."""

    def __init__(self, own: str, more: Sequence[str], kept: KeptList | None) -> None:
        self._own = own.lower()
        self._exact = frozenset(one.lower() for one in more if "*" not in one)
        self._globs = tuple(one.lower() for one in more if "*" in one)
        self._kept = kept

    def allows(self, server: str) -> bool:
        """Whether a server takes part now."""
        server = server.lower()
        if server == self._own or server in self._exact:
            return True
        if self._kept is not None and self._kept.allows(server):
            return True
        return any(fnmatchcase(server, one) for one in self._globs)

    def check(self, server: str) -> None:
        """Raises Refusal."""
        if self.allows(server):
            return
        ended = self._kept is not None and self._kept.list is not None and not self._kept.open
        raise Refusal("list_ended" if ended else "server_not_listed", server)

    def names(self) -> Iterator[str]:
        """Those that have a name of their own."""
        yield from self._exact
        if self._kept is not None and self._kept.list is not None and self._kept.open:
            yield from (name for name, takes_part in self._kept.list.domains.items() if takes_part)
