"""The trust list at full size: verifying and loading, deciding, and what a reload costs whoever is being served."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from bridge.networks.mail.trust import trustlist
from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.people.federation.federation import Federation
from bridge.people.federation.participants import Capacity, FederationList, Participant, compose
from bridge.people.federation.signed import new_key, read_private, sign
from deploy.world import trust as made

_ROUNDS = 5
_DECISIONS = 20_000
_DOMAINS = 20_000
T = TypeVar("T")


def run() -> dict[str, float]:
    """Seconds, microseconds and milliseconds, by name; takes about ten seconds."""
    folder = Path(tempfile.mkdtemp(prefix="liaison-trust-"))
    try:
        return asyncio.run(_measure(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def measure(_: Path, __: bool) -> dict[str, float]:
    """The same, for the bench; of full size also when it is quick."""
    return await asyncio.to_thread(run)


async def _measure(folder: Path) -> dict[str, float]:
    authority = made.Authority()
    signer = authority.signer()
    now = datetime.now(UTC)
    rows = list(made.made_up())
    data = made.signed_list(rows, signer, now - timedelta(hours=2))
    later = made.signed_list(rows[:-5], signer, now - timedelta(hours=1))
    pin = trustlist.ListSigner(made.SIGNER_CN, made.ISSUER_CN)
    seconds = [_timed(lambda: trustlist.verify(data, authority.bundle, pin)) for _ in range(_ROUNDS)]
    (folder / "ca.pem").write_bytes(authority.bundle)
    (folder / "list.xml").write_bytes(data)
    (folder / "some.crl").write_bytes(authority.crl(serials=range(1, 2001)))
    trust = Trust(
        TrustListSettings(
            path=folder / "list.xml",
            authority=folder / "ca.pem",
            signer_cn=made.SIGNER_CN,
            signer_issuer_cn=made.ISSUER_CN,
            state=folder / "state",
            crls=[str(folder / "some.crl")],
        )
    )
    await trust.start()
    found = {"trust_list_bytes": float(len(data)), "trust_verify_and_load_s": max(seconds)}
    found |= _decisions(trust, authority, rows)
    (folder / "list.xml").write_bytes(later)
    found |= await _reload(trust)
    await trust.stop()
    return found | await _federation(folder)


def _timed(call: object) -> float:
    begin = time.perf_counter()
    assert callable(call)
    call()
    return time.perf_counter() - begin


def _decisions(trust: Trust, authority: made.Authority, rows: list[made.Row]) -> dict[str, float]:
    """A peer that comes again, and a hundred that come for the first time (their certificate is read and placed)."""
    dns = sorted({row.dn for row in rows})
    ders = [authority.issue(dn, key="ec").der for dn in dns[:100]]
    first = time.perf_counter()
    assert all(trust.judge(der).ok for der in ders)
    fresh = time.perf_counter() - first
    again = time.perf_counter()
    for n in range(_DECISIONS):
        verdict = trust.judge(ders[n % 100])
        assert verdict.dn is not None
        trust.allows(rows[n % len(rows)].domain, verdict.dn)
    return {
        "trust_decision_us": (time.perf_counter() - again) / _DECISIONS * 1e6,
        "trust_first_decision_us": fresh / len(ders) * 1e6,
    }


async def _stalled(work: Awaitable[T]) -> tuple[T, float, float]:
    """What it gives, the seconds that it took, and the longest time (s) for which the event loop did not turn."""
    longest, last, done = 0.0, time.perf_counter(), False

    async def turn() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    turning = asyncio.create_task(turn())
    begin = time.perf_counter()
    result = await work
    took = time.perf_counter() - begin
    done = True
    await turning
    return result, took, longest


async def _reload(trust: Trust) -> dict[str, float]:
    """A full list of the mail space is verified and swapped."""
    changed, took, pause = await _stalled(trust.refresh())
    assert changed is not None
    assert changed.pairs_removed == 5
    return {"trust_reload_s": took, "trust_reload_longest_pause_ms": pause * 1000}


async def _federation(folder: Path) -> dict[str, float]:
    """A signed list of 20,000 domains takes the place of another, and is asked about a domain."""
    key, now = read_private(new_key()), int(time.time())
    capacity = frozenset({Capacity.MATRIX})
    every = {(name := f"server{n}.region{n % 13}.example"): Participant(name, capacity, "CHU") for n in range(_DOMAINS)}
    lists = [FederationList(n, now, now + 86_400 * 30, "ANS", dict(list(every.items())[n:])) for n in (1, 2)]
    federation = Federation([key.public_key()], folder / "federation.jws", lambda: now)
    first, second = [sign(compose(one), key) for one in lists]
    await federation.take(first)
    changed, took, pause = await _stalled(federation.take(second))
    assert changed
    begin = time.perf_counter()
    for n in range(_DECISIONS):
        federation.find(f"server{n + 2}.region{(n + 2) % 13}.example", Capacity.MATRIX)
    return {
        "federation_reload_20k_s": took,
        "federation_reload_longest_pause_ms": pause * 1000,
        "federation_decision_us": (time.perf_counter() - begin) / _DECISIONS * 1e6,
    }


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:40} {value:12.3f}")
