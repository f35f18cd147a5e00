"""The servers of the trust space: those of the configuration, read again when it changes, and the federation's."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.people.federation.federation import Federation, TrustAnswer
from bridge.people.federation.participants import Capacity
from bridge.people.trust import trusted_server
from bridge.vouching import Proof


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

    def take(self, patterns: Sequence[str]) -> str:
        """The configuration names these from now on; gives what has changed, in words, or empty."""
        gone, new = set(self._patterns) - set(patterns), set(patterns) - set(self._patterns)
        if not gone and not new:
            return ""
        self._patterns = tuple(patterns)
        return f"{len(new)} new, {len(gone)} gone"
