"""The servers of the trust space, read again when the configuration changes: the last good list stays until then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bridge.errors import said
from bridge.parts.file_watch import FileWatch
from bridge.people.trust import trusted_server

log = logging.getLogger(__name__)
Read = Callable[[], Sequence[str]]


class ServerList:
    """``patterns`` as in :func:`bridge.people.trust.trusted_server`."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)

    def allows(self, server: str) -> bool:
        """Whether people of a server may take part."""
        return trusted_server(server, self._patterns)

    async def follow(self, watch: FileWatch, read: Read, changed: Callable[[], Awaitable[None]]) -> None:
        """Read the list anew whenever its file changes, until cancelled. ``read`` raises ValueError or OSError.

        ``changed`` is awaited once another list counts.
        """
        while True:
            await watch.changed()
            try:
                patterns = tuple(await asyncio.to_thread(read))
            except (OSError, ValueError) as error:
                log.error("ALARM trust.matrix_servers is not read again, the last list stays: %s", said(error))
                continue
            if set(patterns) == set(self._patterns):
                continue
            gone, new = set(self._patterns) - set(patterns), set(patterns) - set(self._patterns)
            self._patterns = patterns
            log.warning("trust.matrix_servers was read again: %d new, %d gone", len(new), len(gone))
            await changed()
