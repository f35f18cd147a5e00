"""TLS contexts of the operator: our certificate, the authority that counts, read again when the files change."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from bridge.errors import Unavailable
from bridge.networks.mail.smtp.settings import TlsSettings

log = logging.getLogger(__name__)
_AGAIN = 600.0  # s between two lines about one certificate
_DAY = 86_400.0  # s
_SOON = timedelta(days=21)
_Stamp = tuple[tuple[int, int, int], ...]


class Tls:
    """Gives the context for taking and the context for sending; a renewed certificate is used without a restart."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._server = _Reloaded(self._files(settings.certificate, settings.key), self._make_server)
        certificate, key = self._shown()
        self._client = _Reloaded(self._files(certificate, key), self._make_client)

    def server(self) -> ssl.SSLContext:
        """For the operator port: a certificate is asked for, and one of another authority ends the handshake.

        None at all is let through: the refusal at MAIL can then say what is missing. Raises Unavailable.
        """
        return self._server.get()

    def client(self) -> ssl.SSLContext:
        """For sending: the peer's chain is verified; its name is judged by the trust list. Raises Unavailable."""
        return self._client.get()

    def prove(self) -> None:
        """Make both now. Raises OSError or ValueError that names what cannot be used."""
        s = self._settings
        for path in (s.certificate, s.key, s.authority, *self._shown()):
            path.read_bytes()
        try:
            self._make_server()
            self._make_client()
        except ssl.SSLError as error:
            raise ValueError(
                f"certificate, key, authority or ciphers do not fit ({getattr(error, 'reason', None) or error})"
            ) from None
        for path in {s.certificate, self._shown()[0]}:
            if (left := _left(path)) < timedelta(0):
                raise ValueError(f"the certificate {path} ended {-left.days} days ago: renew it")

    def _files(self, certificate: Path, key: Path) -> tuple[Path, ...]:
        return certificate, key, self._settings.authority

    def _shown(self) -> tuple[Path, Path]:
        s = self._settings
        return s.client_certificate or s.certificate, s.client_key or s.key

    def _make_server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0  # making the usual two costs a third of a handshake; Postfix as delivered uses none
        return self._fill(context, self._settings.certificate, self._settings.key)

    def _make_client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the subject in the trust list is the criterion, not the host name
        context.verify_mode = ssl.CERT_REQUIRED
        return self._fill(context, *self._shown())

    def _fill(self, context: ssl.SSLContext, certificate: Path, key: Path) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._settings.ciphers:
            context.set_ciphers(self._settings.ciphers)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self._settings.authority)
        return context


def _left(path: Path) -> timedelta:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - datetime.now(UTC)


class _Reloaded:
    """A context that is made again when one of its files has changed; the last good one serves until then."""

    def __init__(self, files: tuple[Path, ...], make: Callable[[], ssl.SSLContext]) -> None:
        self._files = files
        self._make = make
        self._stamp: _Stamp | None = None
        self._context: ssl.SSLContext | None = None
        self._told: float | None = None
        self._looked: float | None = None
        self._looked_at: _Stamp | None = None

    def get(self) -> ssl.SSLContext:
        try:
            stamp = self._look()
            if self._context is None or stamp != self._stamp:
                self._context, self._stamp = self._make(), stamp
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; half-written files are one, too
            self._tell(error)
            if self._context is None:
                raise Unavailable("tls_not_usable") from None
        self._look_at_end()
        return self._context

    def _look_at_end(self) -> None:
        """Said every day: nobody else sees it before all other operators refuse us."""
        now = time.monotonic()
        if self._looked is not None and now - self._looked < _DAY and self._stamp == self._looked_at:
            return
        self._looked, self._looked_at = now, self._stamp
        with suppress(OSError, ValueError):
            left = _left(self._files[0])
            if left < timedelta(0):
                log.error("ALARM the certificate %s has ended: renew it", self._files[0])
            elif left < _SOON:
                log.warning("the certificate %s ends in %d days: renew it", self._files[0], left.days)

    def _tell(self, error: Exception) -> None:
        now = time.monotonic()
        if self._told is None or now - self._told > _AGAIN:
            self._told = now
            still = "the former one serves" if self._context else "no mail comes or goes"
            log.error(
                "ALARM the certificate of %s cannot be used (%s): %s", self._files[0], type(error).__name__, still
            )

    def _look(self) -> _Stamp:
        found = [path.stat() for path in self._files]
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)
