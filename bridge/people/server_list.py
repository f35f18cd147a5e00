"""The servers of the trust space: those of the configuration, read again when it changes, and the federation's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bridge.errors import said
from bridge.parts.disk import FileWatch
from bridge.people.federation.federation import Federation, TrustAnswer
from bridge.people.federation.participants import Capacity
from bridge.people.trust import trusted_server
from bridge.vouching import Proof

log = logging.getLogger(__name__)
Read = Callable[[], Sequence[str]]


class ServerList:
    """``patterns`` as in :func:`bridge.people.trust.trusted_server`; beside them the list of the federation."""

    def __init__(self, patterns: Sequence[str], federation: Federation | None = None) -> None:
        self._patterns = tuple(patterns)
        self.federation = federation

    def allows(self, server: str) -> bool:
        """Whether people of a server may take part."""
        if trusted_server(server, self._patterns):
            return True
        return self.federation is not None and self.federation.find(server, Capacity.MATRIX) is not None

    def professional(self, mxid: str) -> str | None:
        """The RPPS number of a user, by the rule that the federation's list has for their server."""
        localpart, _, server = mxid.removeprefix("@").partition(":")
        if self.federation is None:
            return None
        found = self.federation.find(server.lower(), Capacity.MATRIX)
        return found.accounts.rpps(localpart) if found is not None and found.accounts is not None else None

    def demanded(self, domain: str) -> Proof | None:
        """The proof that a product of this domain has to bring for its users; None: it takes no part."""
        found = None if self.federation is None else self.federation.find(domain, Capacity.PRODUCT)
        return None if found is None else found.proof

    def why(self, server: str) -> TrustAnswer:
        """The same with its reason, for an operator."""
        if trusted_server(server, self._patterns):
            return TrustAnswer(True, f"{server} is named by trust.matrix_servers")
        if self.federation is None:
            return TrustAnswer(False, f"{server} is not named by trust.matrix_servers; no list of a federation is used")
        return self.federation.answer(server, Capacity.MATRIX)

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
