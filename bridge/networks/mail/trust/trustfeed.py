"""The live trust list: fetched hourly, verified in a thread, swapped at once; every answer comes from memory."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509

from bridge.errors import Unavailable, where
from bridge.networks.mail.trust import dn as names
from bridge.networks.mail.trust.authority import Authority
from bridge.networks.mail.trust.decision import ListRules, Verdict, explain, objection
from bridge.networks.mail.trust.dn import DN
from bridge.networks.mail.trust.fetching import Fetched, Validators, source
from bridge.networks.mail.trust.kept_list import Note, Shelf
from bridge.networks.mail.trust.ocsp import Ocsp, over_http
from bridge.networks.mail.trust.revocation import LARGEST as LARGEST_CRL
from bridge.networks.mail.trust.revocation import Revocation
from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustlist import LARGEST, BadList, Difference, TrustList, difference, verify
from bridge.parts.tasks import Tasks

_log = logging.getLogger(__name__)
_NOBODY: frozenset[str] = frozenset()
_FIRST = 10.0  # seconds
_REPEATED = 6 * 3600.0  # s between two lines of one alarm


@dataclass(frozen=True, slots=True)
class _Peer:
    """What a certificate says of itself; the same bytes always say the same."""

    dn: DN
    serial: int
    begins: float
    ends: float
    above: tuple[tuple[bytes, int], ...]


class Trust:
    """What SMTP asks. ``clock`` gives seconds since 1970, ``jitter`` a number from 0 to 1.

    ``changed`` holds callbacks for every accepted list. ``trouble`` is the reason why the last refresh brought
    nothing (:func:`decision.explain`), ``held`` the digest of a list that waits for a person. Raises ValueError or
    OSError when the authority cannot be read.
    """

    def __init__(
        self,
        settings: TrustListSettings,
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._authority = Authority(settings.authority.read_bytes())
        self._shelf = Shelf(settings.state)
        tls = self._tls()
        self._source = source(settings.source, tls, clock, largest=LARGEST, timeout=settings.timeout)
        crls = [source(one, tls, clock, largest=LARGEST_CRL, timeout=settings.timeout) for one in settings.crls]
        self.revocation = Revocation(
            self._authority,
            crls,
            self._shelf,
            clock,
            ocsp=self._responder(),
            grace=settings.crl_grace,
            ahead=settings.ahead,
        )
        self._rules = ListRules(timedelta(seconds=settings.ahead), settings.max_drop)
        self._list: TrustList | None = None
        self._note = Note("", 0.0, 0.0)
        self._peer = lru_cache(maxsize=2048)(self._read_peer)
        self._one_at_a_time = asyncio.Lock()
        self._tasks = Tasks("trust list")
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()
        self.changed: list[Callable[[Difference], None]] = []
        self.trouble: str | None = None
        self.held: str | None = None
        self._told: dict[str, float] = {}  # alarms, and when they were said

    def __repr__(self) -> str:
        return f"Trust({self._list!r}, trouble={self.trouble!r})"

    # questions

    @property
    def list(self) -> TrustList | None:
        """The list in use; None before the first one."""
        return self._list

    @property
    def age_s(self) -> float:
        """Seconds since the source confirmed the list in use; infinite without a list."""
        return max(self._clock() - self._note.confirmed_at, 0.0) if self._list else float("inf")

    @property
    def confirmed_at(self) -> float:
        """When (s since 1970) the source last confirmed the list in use; 0 without a list."""
        return self._note.confirmed_at if self._list else 0.0

    @property
    def old(self) -> bool:
        """Time to warn somebody."""
        return self.age_s > self._settings.warn_after

    @property
    def stale(self) -> bool:
        """Too old to decide by, or not there at all: mail waits."""
        return self.age_s > self._settings.stale_after

    def knows(self, domain: str) -> bool:
        """Is this domain listed? Ask ``stale`` first."""
        return self._list is not None and self._list.knows(domain)

    def allows(self, domain: str, dn: DN) -> bool:
        """May a certificate of this name speak for this domain? Ask ``stale`` first, or :meth:`judge`."""
        return self._list is not None and self._list.allows(domain, dn)

    def judge(self, der: bytes) -> Verdict:
        """A peer's certificate, as TLS gives it (its chain was verified there): who is it, may it speak, if not why."""
        try:
            peer = self._peer(der)
        except ValueError:
            return Verdict(None, code="certificate_unreadable")
        known = self._list
        domains = known.domains_of(peer.dn) if known else _NOBODY
        status = self.revocation.status_by(peer.serial, peer.above)
        return Verdict(peer.dn, domains, status == "revoked", self._against(peer, status, domains))

    async def look_up(self, der: bytes) -> Verdict:
        """As :meth:`judge`, but asks the OCSP responder first where one is set and no CRL covers the certificate."""
        verdict = self.judge(der)
        if self._settings.ocsp is None or verdict.code != "revocation_unknown":
            return verdict
        await self.revocation.look_up(x509.load_der_x509_certificate(der))
        return self.judge(der)

    def _against(self, peer: _Peer, status: str, domains: frozenset[str]) -> str | None:
        if not peer.begins <= self._clock() <= peer.ends:
            return "certificate_not_yet_valid" if self._clock() < peer.begins else "certificate_expired"
        if status == "revoked":
            return "certificate_revoked"
        if self._list is None:
            return "list_missing"
        if self.stale:
            return "list_stale"
        if status == "unknown":
            return "revocation_unknown"
        return None if domains else "dn_not_listed"

    def _read_peer(self, der: bytes) -> _Peer:
        certificate = x509.load_der_x509_certificate(der)
        return _Peer(
            names.of(certificate),
            certificate.serial_number,
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
            self.revocation.above(certificate),
        )

    # life

    async def start(self) -> None:
        """Take what the shelf holds, refresh in the background; without a kept list wait up to 10 s for the first."""
        await self.revocation.load()
        await self._load()
        self._tasks.start(self._keep_fresh())
        if self._list is None or self.revocation.stale:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST):
                    await self._tried.wait()

    async def stop(self) -> None:
        """No more refreshing; answers stay."""
        await self._tasks.stop()

    def look_again(self) -> None:
        """The next refresh comes now."""
        self._wanted.set()

    async def refresh(self) -> Difference | None:
        """Fetch CRLs and list now; the difference if a new list was accepted, else None (``trouble`` says why)."""
        async with self._one_at_a_time:
            await self.revocation.refresh()
            code: str | None = None
            found: Difference | None = None
            refused = False
            try:
                found = await self._renew(await self._source.fetch(self._mark()))
            except Unavailable as reason:
                code, refused = reason.code, reason.code == "too_large"
            except BadList as bad:
                code, refused = bad.code, True
            except OSError as error:
                code = f"state_{type(error).__name__}"
            self._tell(code, refused)
            with suppress(OSError):
                await asyncio.to_thread(self._shelf.note_trouble, code, self._clock())
            return found

    def _mark(self) -> Validators:
        return Validators(self._note.etag, self._note.modified) if self._list else Validators()

    def _tell(self, code: str | None, refused: bool) -> None:
        """A list that is refused concerns a person at once; a source that is away once the list gets old."""
        self.trouble = code
        if code is None:
            self._told.clear()
        elif not refused:
            _log.error("trust list of %s: %s; the last good one stays", self._source.where, code)
        elif self._due(code):
            words = "ALARM the trust list of %s is refused: %s (%s); the last good one stays: `liaison trust`"
            _log.error(words, self._source.where, code, explain(code)[1])
        if self._list is not None and self.old and self._due("old"):
            words = "ALARM the trust list is %.0f h old; past %.0f h mail waits"
            _log.error(words, self.age_s / 3600, self._limit_h)

    def _due(self, what: str) -> bool:
        """Whether an alarm is to be repeated."""
        now = self._clock()
        if now - self._told.get(what, -_REPEATED) < _REPEATED:
            return False
        self._told[what] = now
        return True

    @property
    def _limit_h(self) -> float:
        return self._settings.stale_after / 3600

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception as bug:  # the next round may work; without rounds all mail would stop in three days
                self.trouble = "unexpected"
                _log.error("trust list: %s", where(bug))
            self._tried.set()
            well = self.trouble is None and not self.revocation.troubles
            pause = self._settings.refresh if well else min(self._settings.retry, self._settings.refresh)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * (0.9 + 0.2 * self._jitter())):
                    await self._wanted.wait()
            self._wanted.clear()

    # a list comes

    async def _renew(self, fetched: Fetched) -> Difference | None:
        if fetched.data is None and self._list is None:
            raise Unavailable("answered_304")
        digest = await asyncio.to_thread(_digest, fetched.data) if fetched.data is not None else None
        if fetched.data is None or (self._list is not None and digest == self._list.digest):
            await self._confirm(fetched)
            return None
        new = await asyncio.to_thread(verify, fetched.data, self._authority.bundle, self._settings.signer, self._now())
        await self._admit(new, fetched.data)
        note = Note(new.digest, self._clock(), fetched.at, fetched.mark.etag, fetched.mark.modified)
        found = await asyncio.to_thread(difference, self._list, new)
        await asyncio.to_thread(self._shelf.save_list, fetched.data, note, _entry(new, found, note))
        self._list, self._note, self.held = new, note, None
        self._publish(new, found)
        return found

    async def _admit(self, new: TrustList, data: bytes) -> None:
        """Raises BadList if a well-signed list is not to be used; one that loses much is put aside for a person."""
        if new.signer is not None and self.revocation.revoked(new.signer):
            raise BadList("signer_revoked")
        allowed = await asyncio.to_thread(self._shelf.allowed)
        code = objection(self._list, new, self._now(), self._rules, allowed)
        if code == "mass_drop" and self.held != new.digest:
            self.held = new.digest
            await asyncio.to_thread(self._shelf.hold, data)
        if code is not None:
            raise BadList(code)

    async def _confirm(self, fetched: Fetched) -> None:
        mark = Validators(self._note.etag, self._note.modified) if fetched.data is None else fetched.mark
        note = replace(
            self._note,
            confirmed_at=max(fetched.at, self._note.confirmed_at),
            etag=mark.etag,
            modified=mark.modified,
        )
        if note != self._note:
            await asyncio.to_thread(self._shelf.note, note)
        self._note, self.held = note, None

    async def _load(self) -> None:
        """The kept list, verified again as of the time when it was accepted: its signer may have expired since."""
        if (kept := await asyncio.to_thread(self._shelf.load_list)) is None:
            return
        data, note = kept
        at = datetime.fromtimestamp(min(note.accepted_at, self._clock()), UTC)
        try:
            found = await asyncio.to_thread(verify, data, self._authority.bundle, self._settings.signer, at)
        except BadList as bad:
            self.trouble = bad.code
            _log.error("ALARM the kept trust list is not used: %s", bad.code)
            return
        self._list = found
        self._note = note if note.digest == found.digest else replace(note, digest=found.digest, etag="", modified="")

    def _publish(self, new: TrustList, found: Difference) -> None:
        _log.info("trust list accepted: %s", _entry(new, found, self._note))
        for tell in self.changed:
            try:
                tell(found)
            except Exception as bug:  # a listener's bug must not keep the list from being used
                _log.error("a listener of the trust list failed: %s", where(bug))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _responder(self) -> Ocsp | None:
        if self._settings.ocsp is None:
            return None
        ask = over_http(self._settings.ocsp, self._settings.ocsp_timeout)
        return Ocsp(self._authority, ask, self._clock, ahead=self._settings.ahead)

    def _tls(self) -> ssl.SSLContext | None:
        """Only the pinned authority vouches for the list's web server."""
        if not any(one.startswith("https://") for one in (self._settings.source, *self._settings.crls)):
            return None
        context = ssl.create_default_context(cafile=str(self._settings.tls_authority or self._settings.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entry(new: TrustList, found: Difference, note: Note) -> dict[str, str | int | float]:
    """The line of the journal: counts, no names of people."""
    return {
        "accepted_at": note.accepted_at,
        "generated": new.generated.isoformat(),
        "digest": new.digest,
        "rows": new.rows,
        "skipped": new.skipped,
        "domains": len(new.domains),
        "domains_added": len(found.domains_added),
        "domains_removed": len(found.domains_removed),
        "dns_added": len(found.dns_added),
        "dns_removed": len(found.dns_removed),
        "pairs_added": found.pairs_added,
        "pairs_removed": found.pairs_removed,
    }
