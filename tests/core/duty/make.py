"""Rotas for tests: written as an operator writes them, asked in local time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

from bridge.people.duty.rota import Rota
from bridge.people.duty.rota_file import read_rota

PARIS = ZoneInfo("Europe/Paris")
CLEO, DAN, ANNA = "rpps:10000000003", "rpps:10000000004", "rpps:10000000001"


def ms(local: str) -> int:
    """``2026-12-24 20:00`` in Paris, in milliseconds."""
    return round(datetime.fromisoformat(local).replace(tzinfo=PARIS).timestamp() * 1000)


def local(at: int | None) -> str | None:
    """The reverse."""
    return None if at is None else f"{datetime.fromtimestamp(at / 1000, PARIS):%Y-%m-%d %H:%M}"


def text_of(shifts: str, more: str = "", top: str = "") -> str:
    """A file with one function, ``garde``."""
    return (
        dedent(top)
        + "functions:\n  garde:\n    name: Cardiologie de garde\n"
        + f'    members: {{cleo: "{CLEO}", dan: "{DAN}", anna: "{ANNA}"}}\n'
        + "    shifts:\n"
        + "".join(f"      - {line.strip()}\n" for line in dedent(shifts).strip().splitlines())
        + more
    )


def rota(folder: Path, shifts: str, more: str = "", top: str = "") -> Rota:
    """The rota of such a file."""
    path = folder / "rota.yaml"
    path.write_text(text_of(shifts, more, top), "utf-8")
    return read_rota(path)[0]
