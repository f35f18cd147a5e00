"""OCSP (RFC 6960): a responder is asked about certificates that no CRL covers; answers are kept while they last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bridge.errors import Unavailable
from bridge.networks.mail.trust.authority import Authority, key_id

_log = logging.getLogger(__name__)
_LARGEST = 64 * 1024  # bytes of an answer
_WITHOUT_END = timedelta(hours=1)  # for an answer that does not say how long it lasts
_MOST = 4096  # remembered answers

Ask = Callable[[bytes], Awaitable[bytes]]
"""DER of a request to DER of an answer; raises Unavailable."""
Status = Literal["good", "revoked", "unknown"]


class BadAnswer(Exception):
    """This answer is not to be believed. ``code`` is a stable machine word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Ocsp:
    """One responder. ``ahead``: seconds that an answer's own time may lie in the future."""

    def __init__(self, authority: Authority, ask: Ask, clock: Callable[[], float], *, ahead: float = 300.0) -> None:
        self._authority = authority
        self._ask = ask
        self._clock = clock
        self._ahead = timedelta(seconds=ahead)
        self._answers: dict[tuple[bytes, int], tuple[Status, float]] = {}

    def status(self, issuer: bytes, serial: int) -> Status:
        """What is remembered about a serial number under an issuer's key."""
        status, until = self._answers.get((issuer, serial), ("unknown", 0.0))
        return status if self._clock() < until else "unknown"

    async def look_up(self, certificate: x509.Certificate) -> None:
        """Ask, unless the answer is remembered. What cannot be had or believed leaves it unknown."""
        issuer = self._authority.issuer_of(certificate)
        if issuer is None or self.status(key_id(issuer), certificate.serial_number) != "unknown":
            return
        # SHA-1 only names the issuer here (RFC 5019, 2.1.1); what counts is the answer's signature
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            answer = await self._ask(request.public_bytes(Encoding.DER))
            status, until = read_answer(answer, request, issuer, now, self._ahead)
        except (Unavailable, BadAnswer) as reason:
            _log.warning("OCSP for serial number %x: %s", certificate.serial_number, reason.code)
            return
        if len(self._answers) >= _MOST:
            self._answers.pop(next(iter(self._answers)))
        self._answers[key_id(issuer), certificate.serial_number] = (status, until.timestamp())


def read_answer(
    data: bytes, request: ocsp.OCSPRequest, issuer: x509.Certificate, now: datetime, ahead: timedelta
) -> tuple[Status, datetime]:
    """The status that was asked for, and until when it holds. Raises BadAnswer."""
    try:
        answer = ocsp.load_der_ocsp_response(data)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise BadAnswer("ocsp_refused")
        asked = (request.serial_number, request.issuer_key_hash, request.issuer_name_hash)
        if asked != (answer.serial_number, answer.issuer_key_hash, answer.issuer_name_hash):
            raise BadAnswer("ocsp_about_another")
        if not any(_signed(answer, one) for one in _responders(answer, issuer, now)):
            raise BadAnswer("ocsp_not_signed_by_authority")
        until = answer.next_update_utc or answer.this_update_utc + _WITHOUT_END
        if not answer.this_update_utc - ahead <= now < until:
            raise BadAnswer("ocsp_out_of_date")
        return _STATUS[answer.certificate_status], until
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadAnswer("ocsp_unreadable") from None


_STATUS: dict[ocsp.OCSPCertStatus, Status] = {
    ocsp.OCSPCertStatus.GOOD: "good",
    ocsp.OCSPCertStatus.REVOKED: "revoked",
    ocsp.OCSPCertStatus.UNKNOWN: "unknown",
}


def _responders(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> list[x509.Certificate]:
    """The issuer itself, and whom it has charged with answering (RFC 6960, 4.2.2.2)."""
    return [issuer, *(one for one in answer.certificates if _charged(one, issuer, now))]


def _charged(one: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
        usages = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound, ValueError, TypeError):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and one.not_valid_before_utc <= now <= one.not_valid_after_utc


def _signed(answer: ocsp.OCSPResponse, by: x509.Certificate) -> bool:
    key, method = by.public_key(), answer.signature_hash_algorithm
    if method is None:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), method)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(method))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def over_http(url: str, timeout: float) -> Ask:
    """Ask by POST (RFC 6960, A.1); ``timeout`` in seconds."""

    async def ask(request: bytes) -> bytes:
        limit = aiohttp.ClientTimeout(total=timeout)
        headers = {"Content-Type": "application/ocsp-request", "User-Agent": "Liaison"}
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=limit) as session,
                session.post(url, data=request, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise Unavailable(f"answered_{answer.status}")
                data = b""
                while len(data) <= _LARGEST and (part := await answer.content.readany()):
                    data += part
                return data[:_LARGEST]
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError):
            raise Unavailable("unreachable") from None

    return ask
