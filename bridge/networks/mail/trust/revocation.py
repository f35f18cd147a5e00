"""Which certificates are revoked: CRLs (RFC 5280, 5) of the pinned authority, kept through restarts and outages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID as OID

from bridge.errors import Unavailable
from bridge.networks.mail.trust.authority import Authority, key_id
from bridge.networks.mail.trust.fetching import Source, Validators
from bridge.networks.mail.trust.kept_list import Shelf
from bridge.networks.mail.trust.ocsp import Ocsp, Status

_log = logging.getLogger(__name__)
LARGEST = 32 * 1024 * 1024  # bytes of a CRL
_UNDERSTOOD = {OID.CRL_NUMBER, OID.AUTHORITY_KEY_IDENTIFIER, OID.ISSUING_DISTRIBUTION_POINT}


class BadCrl(Exception):
    """This CRL is not to be used. ``code`` is a stable machine word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Crl:
    """One verified CRL: the issuer's key, the serial numbers, and its own period."""

    issuer: bytes = field(repr=False)
    serials: frozenset[int] = field(repr=False)
    made: datetime
    ends: datetime


def read_crl(data: bytes, authority: Authority, now: datetime, ahead: float = 300.0) -> tuple[Crl, bytes]:
    """A full CRL signed by a certificate of the bundle, and its DER. ``ahead``: seconds. Raises BadCrl."""
    crl = _parse(data)
    issuer = _signed_by(crl, authority)
    ends = crl.next_update_utc
    if ends is None:
        raise BadCrl("crl_without_end")
    if (crl.last_update_utc - now).total_seconds() > ahead:
        raise BadCrl("crl_of_the_future")
    try:
        _is_whole(crl)
        serials = frozenset(one.serial_number for one in crl)
    except (ValueError, UnsupportedAlgorithm):
        raise BadCrl("crl_unreadable") from None
    return Crl(key_id(issuer), serials, crl.last_update_utc, ends), crl.public_bytes(Encoding.DER)


def _parse(data: bytes) -> x509.CertificateRevocationList:
    try:
        if data.lstrip()[:10] == b"-----BEGIN":
            return x509.load_pem_x509_crl(data)
        return x509.load_der_x509_crl(data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadCrl("crl_unreadable") from None


def _signed_by(crl: x509.CertificateRevocationList, authority: Authority) -> x509.Certificate:
    for one in authority.named(crl.issuer):
        try:
            if crl.is_signature_valid(one.public_key()):  # type: ignore[arg-type]  # other kinds raise TypeError
                return one
        except (TypeError, ValueError, UnsupportedAlgorithm):
            continue
    raise BadCrl("crl_not_signed_by_authority")


def _is_whole(crl: x509.CertificateRevocationList) -> None:
    """Neither a delta nor a part: such a CRL would make revoked certificates look good."""
    for extension in crl.extensions:
        if extension.oid == OID.DELTA_CRL_INDICATOR:
            raise BadCrl("crl_is_a_delta")
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise BadCrl("crl_has_unknown_extension")
        if isinstance(part := extension.value, x509.IssuingDistributionPoint) and (
            part.indirect_crl or part.only_some_reasons or part.only_contains_attribute_certs
        ):
            raise BadCrl("crl_is_a_part")


class Revocation:
    """The CRLs in memory. ``grace``: seconds for which a CRL still counts after its own end.

    Without any source and without OCSP nothing is ever revoked. Otherwise a certificate that neither a usable CRL of
    its issuer nor a remembered answer covers is ``unknown``, and whoever shows it is asked to come again.
    """

    def __init__(
        self,
        authority: Authority,
        sources: Sequence[Source],
        shelf: Shelf,
        clock: Callable[[], float],
        *,
        ocsp: Ocsp | None = None,
        grace: float = 72 * 3600.0,
        ahead: float = 300.0,
    ) -> None:
        self._authority = authority
        self._sources = sources
        self._shelf = shelf
        self._ocsp = ocsp
        self._clock = clock
        self._grace = grace
        self._ahead = ahead
        self._crls: dict[bytes, Crl] = {}
        self._marks: dict[str, Validators] = {}
        self._above: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
        self.troubles: dict[str, str] = {}  # address or path → reason, of the last attempt

    @property
    def crls(self) -> list[Crl]:
        """What is known now."""
        return list(self._crls.values())

    @property
    def stale(self) -> bool:
        """CRLs are wanted, and there is none or one is past its end and its grace."""
        return bool(self._sources) and (not self._crls or any(not self._usable(crl) for crl in self._crls.values()))

    def revoked(self, certificate: x509.Certificate) -> bool:
        """Does a CRL name it, or an intermediate above it?"""
        return self.status(certificate) == "revoked"

    def status(self, certificate: x509.Certificate) -> Status:
        """As far as the CRLs tell. Searches the issuer by signature: remember it for frequent questions."""
        return self.status_by(certificate.serial_number, self.above(certificate))

    def above(self, certificate: x509.Certificate) -> tuple[tuple[bytes, int], ...]:
        """The issuers up to the root: key of each, and the serial number under which its own issuer knows it."""
        issuer = self._authority.issuer_of(certificate)
        if issuer is None:
            return ()
        key = key_id(issuer)
        if key not in self._above:
            self._above[key] = ()  # two that certify each other do not go on for ever
            self._above[key] = ((key, issuer.serial_number), *self.above(issuer))
        return self._above[key]

    def status_by(self, serial: int, above: Sequence[tuple[bytes, int]]) -> Status:
        """The status of a serial number under issuers as :meth:`above` gives them."""
        if not self._sources and self._ocsp is None:
            return "good"
        asked = serial
        for key, next_serial in above:
            crl = self._crls.get(key)
            if crl is not None and serial in crl.serials:
                return "revoked"
            serial = next_serial
        crl = self._crls.get(above[0][0]) if above else None
        if crl is not None and self._usable(crl):
            return "good"
        return self._ocsp.status(above[0][0], asked) if self._ocsp is not None and above else "unknown"

    async def look_up(self, certificate: x509.Certificate) -> None:
        """Ask the responder, where there is one, about a certificate that no CRL covers."""
        if self._ocsp is not None and self.status(certificate) == "unknown":
            await self._ocsp.look_up(certificate)

    async def load(self) -> None:
        """What the shelf holds; CRLs past their end come back too (their grace decides)."""
        for name in await asyncio.to_thread(self._shelf.names, "crl-*.der"):
            data = await asyncio.to_thread(self._shelf.read, name)
            try:
                await self._take(data or b"", save=False)
            except BadCrl as bad:
                _log.warning("kept CRL %s is not used: %s", name, bad.code)

    async def refresh(self) -> None:
        """Fetch all; what cannot be had or believed changes nothing. Never raises for those reasons."""
        await asyncio.gather(*(self._refresh(one) for one in self._sources))

    async def _refresh(self, source: Source) -> None:
        try:
            fetched = await source.fetch(self._marks.get(source.where, Validators()))
            if fetched.data is not None:
                await self._take(fetched.data, save=True)
                self._marks[source.where] = fetched.mark
        except (Unavailable, BadCrl) as reason:
            self._trouble(source.where, reason.code)
        except OSError as error:
            self._trouble(source.where, f"state_{type(error).__name__}")
        else:
            self.troubles.pop(source.where, None)

    def _trouble(self, where: str, code: str) -> None:
        self.troubles[where] = code
        _log.warning("CRL of %s: %s; the last good one stays", where, code)

    async def _take(self, data: bytes, *, save: bool) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        crl, der = await asyncio.to_thread(read_crl, data, self._authority, now, self._ahead)
        old = self._crls.get(crl.issuer)
        if old is not None and crl.made < old.made:
            raise BadCrl("crl_rollback")
        if save and crl != old:
            name = f"crl-{hashlib.sha256(crl.issuer).hexdigest()[:16]}.der"
            await asyncio.to_thread(self._shelf.write, name, der)
        self._crls[crl.issuer] = crl

    def _usable(self, crl: Crl) -> bool:
        return self._clock() < crl.ends.timestamp() + self._grace
