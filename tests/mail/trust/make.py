"""One private trust space for the tests of the trust list: made once, since keys take their time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from bridge.networks.mail.trust.settings import TrustListSettings
from bridge.networks.mail.trust.trustlist import ListSigner
from deploy.world.trust import ISSUER_CN, SIGNER_CN, Authority, Issued, Row, signed_list, subject

PIN = ListSigner(SIGNER_CN, ISSUER_CN)
ANNA = subject("smtp.anna.example", "1750000001", "CENTRE HOSPITALIER D'ANNA", "Paris (75)")
BEN = subject("smtp.ben.example", "3000000000001", "BEN SANTÉ", "Haute-Vienne (87)")
EVE = subject("smtp.eve.example", "1999999999", "EVE", "Nord (59)")
ROWS = [
    Row("anna.sante.example", ANNA),
    Row("anna.sante.example", BEN),
    Row("ben.sante.example", BEN),
]


@cache
def authority() -> Authority:
    return Authority(key="ec")


@cache
def foreign() -> Authority:
    """Another authority with the same names: what only looks right."""
    return Authority(key="ec")


@cache
def signer() -> Issued:
    return authority().signer()


@cache
def certificate(dn: str) -> Issued:
    return authority().issue(dn, key="ec")


def at(**ago: float) -> datetime:
    """A time before now, in whole seconds."""
    return (datetime.now(UTC) - timedelta(**ago)).replace(microsecond=0)


def many(count: int) -> list[Row]:
    return [*ROWS, *(Row(f"d{n}.sante.example", ANNA) for n in range(count - len(ROWS)))]


@dataclass
class Clock:
    """Time that a test moves."""

    now: float = field(default_factory=lambda: datetime.now(UTC).timestamp())

    def __call__(self) -> float:
        return self.now


class Place:
    """A list in a file, an authority, a state directory, and the settings that name them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.list = folder / "list.xml"
        self.crl = folder / "organisations.crl"
        (folder / "ca.pem").write_bytes(authority().bundle)
        given: dict[str, Any] = {
            "authority": folder / "ca.pem",
            "signer_cn": SIGNER_CN,
            "signer_issuer_cn": ISSUER_CN,
            "state": folder / "state",
        }
        if "url" not in settings:
            given["path"] = self.list
        self.settings = TrustListSettings(**{**given, **settings})

    def publish(self, rows: list[Row], generated: datetime | None = None, by: Issued | None = None) -> bytes:
        data = signed_list(rows, by or signer(), generated)
        self.list.write_bytes(data)
        return data
