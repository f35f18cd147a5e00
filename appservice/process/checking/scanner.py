"""Asks the virus scanner as the hub does: something harmless has to pass, and the test virus has to be found."""

from __future__ import annotations

from appservice.process.checking.findings import Finding, bad, good
from bridge.config import FilesSettings
from bridge.content.clamd import Clamd
from bridge.errors import Refused, Unavailable

_WAIT = 15.0  # s
_EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""See eicar.org: it does nothing. In two parts, so that this file is none."""


async def findings(settings: FilesSettings) -> list[Finding]:
    """Nothing where nothing is scanned."""
    where = settings.scan.clamd
    if where is None:
        return []
    clamd = Clamd(where, min(settings.scan.timeout, _WAIT))
    try:
        if (refused := await _scanned(clamd, b"Liaison")) is not None:
            return [bad(f"clamd at {where} refuses what is harmless ({refused})", "look at its log and its limits")]
        if await _scanned(clamd, _EICAR) != "infected":
            return [bad(f"clamd at {where} does not find the test virus", "let freshclam load its signatures")]
    except Unavailable:
        mend = "start clamd, or correct files.scan.clamd; until then no file passes"
        return [bad(f"clamd does not answer at {where}", mend)]
    return [good(f"clamd at {where} scans, and finds the test virus")]


async def _scanned(clamd: Clamd, data: bytes) -> str | None:
    """Why it would be refused (a code). Raises Unavailable."""
    scan = await clamd.begin()
    try:
        await scan.piece(data)
        await scan.verdict("test")
    except Refused as refusal:
        return refusal.code
    finally:
        scan.close()
    return None
