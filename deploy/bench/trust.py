"""The trust list at full size: verifying and loading, deciding, and what a reload costs whoever is being served."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.networks.mail.trust import trustlist
from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustfeed import Trust
from deploy.world import trust as made

_ROUNDS = 5
_DECISIONS = 20_000


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
    return found


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


async def _reload(trust: Trust) -> dict[str, float]:
    """The longest time for which the event loop did not turn while a full list was verified and swapped."""
    longest, last, done = 0.0, time.perf_counter(), False

    async def turn() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    turning = asyncio.create_task(turn())
    begin = time.perf_counter()
    changed = await trust.refresh()
    took = time.perf_counter() - begin
    done = True
    await turning
    assert changed is not None
    assert changed.pairs_removed == 5
    return {"trust_reload_s": took, "trust_reload_longest_pause_ms": longest * 1000}


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name:40} {value:12.3f}")
