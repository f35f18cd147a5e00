"""swaks, the Swiss army knife for SMTP, as a peer operator."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.mail.space import HUB, Party, Space

NOT_SENT = {6, 21, 22, 23, 24, 25, 26, 28, 29}


@dataclass(frozen=True, slots=True)
class Said:
    """How it ended (0: sent) and everything that was said."""

    code: int
    text: str

    @property
    def refusal(self) -> str:
        """The first 4xx or 5xx reply."""
        found = re.search(r"(?m)^<[~*]\*\s+(.*?)\s*$", self.text)
        return found[1] if found else ""


async def swaks(space: Space, port: int, party: Party | None, *options: str, tls: bool = True) -> Said:
    """Send a mail as anna to ben, or as ``options`` say. Raises RuntimeError when swaks is not installed."""
    program = shutil.which("swaks")
    if program is None:
        raise RuntimeError("swaks is missing: run `make setup` as root")
    words = [program, "--server", f"127.0.0.1:{port}", "--ehlo", "mail.mss-a.example", "--timeout", "60"]
    words += ["--tls", "--tls-verify", "--tls-ca-path", str(space.bundle)] if tls else []
    words += ["--tls-cert", str(party.certificate), "--tls-key", str(party.key)] if party and tls else []
    given = set(options)
    for option, value in (("--from", "anna@mss-a.example"), ("--to", f"ben@{HUB}")):
        words += [] if option in given else [option, value]
    done = await asyncio.to_thread(
        subprocess.run, [*words, *options], capture_output=True, text=True, timeout=120, check=False
    )
    return Said(done.returncode, done.stdout + done.stderr)


def eml(directory: Path, name: str, raw: bytes) -> str:
    """A file for ``--data``."""
    path = directory / name
    path.write_bytes(raw)
    return f"@{path}"
