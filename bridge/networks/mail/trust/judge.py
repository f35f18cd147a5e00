"""What the edges ask of the trust list: may this certificate speak for this domain?"""

from __future__ import annotations

from typing import Protocol

from bridge.networks.mail.trust.dn import DN


class Judged(Protocol):
    """What the list and the revocation lists say about one certificate."""

    @property
    def dn(self) -> DN | None:
        """The certificate's subject, None when it cannot be read."""

    @property
    def domains(self) -> frozenset[str]:
        """The domains for which it may speak, as lower-case A-labels."""

    @property
    def code(self) -> str | None:
        """Why it may not speak at all (:data:`bridge.networks.mail.trust.decision.WHY`), None when it may."""

    @property
    def later(self) -> bool:
        """Whether the reason lies with us and passes."""


class Judge(Protocol):
    """The trust list as the edges see it; nearly every answer comes from memory."""

    def knows(self, domain: str) -> bool:
        """Whether the domain is in the list."""

    def allows(self, domain: str, dn: DN) -> bool:
        """Whether this very domain is listed with this very subject."""

    async def look_up(self, der: bytes) -> Judged:
        """The verdict on a certificate in DER; asks outside only about a revocation that memory knows nothing of."""

    @property
    def stale(self) -> bool:
        """Whether the list or a revocation list is too old to be believed."""
