"""The secure-mail space of a bench: an authority, its list, a real operator (Postfix, Dovecot), who sends to both."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.bench.sender import Letter
from deploy.world.ports import free_port
from deploy.world.postfix import Identity, Options, Postfix
from deploy.world.synapse import ROOT
from deploy.world.trust import ISSUER_CN, SIGNER_CN, Authority, Row, signed_list, subject

OURS, OUR_HOST = "hub.mss.example", "mx.hub.example"
THEIRS, THEIR_HOST = "operateur.example", "mail.operateur.example"
_LASTS = timedelta(days=30)
_MOST = 1_000_000
# Postfix as it is delivered, only that it never slows a peer down on purpose.
_OPTIONS = Options(main={"in_flow_delay": "0"})


class Operators:
    """The files of both, the other operator, and what the hub is told."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self.port = folder, free_port()
        self.authority, self._list, self._crl = folder / "authority.pem", folder / "list.xml", folder / "some.crl"
        authority = Authority(key="ec")
        self.authority.write_bytes(authority.bundle)
        rows = [Row(OURS, subject(OUR_HOST)), Row(THEIRS, subject(THEIR_HOST))]
        self._list.write_bytes(signed_list(rows, authority.signer()))
        self._crl.write_bytes(authority.crl(lasts=_LASTS))
        ours, theirs = (authority.issue(subject(h), hosts=[h], key="ec") for h in (OUR_HOST, THEIR_HOST))
        self._certificate, self._key = ours.write(folder, "hub")
        self.certificate, self.key = theirs.write(folder, "operator")
        identity = Identity(THEIRS, THEIR_HOST, self.certificate, self.key, self.authority)
        self.postfix = Postfix(identity, {}, _OPTIONS)

    def section(self) -> dict[str, Any]:
        """The hub's ``networks.mail``: chat leaves at once, nobody is too fast, all else as by default."""
        files = {"certificate": str(self._certificate), "key": str(self._key), "authority": str(self.authority)}
        return {
            "smtp": {
                "hostname": OUR_HOST, "domains": [OURS], "tls": files, "host": "127.0.0.1", "port": self.port,
                "sending": {"routes": {THEIRS: f"127.0.0.1:{self.postfix.port}"}},
                "limits": {"mails_per_minute": _MOST, "mails_per_session": _MOST},
            },
            "trust": {
                "path": str(self._list), "authority": str(self.authority), "state": str(self._folder / "trust"),
                "signer_cn": SIGNER_CN, "signer_issuer_cn": ISSUER_CN, "crls": [str(self._crl)],
            },
            "gather": {"quiet": 0.0},
        }  # fmt: skip

    def box(self, local: str) -> Path:
        """The new mails of a mailbox of the other operator."""
        return self.postfix.directory / "boxes" / THEIRS / local / "new"


class Sender:
    """The sending program, ready for jobs."""

    def __init__(self, operators: Operators, running: asyncio.subprocess.Process) -> None:
        self._operators = operators
        self._running = running

    async def send(self, port: int, lines: Sequence[Sequence[Letter]], each: int = 0) -> tuple[float, float]:
        """When it began and when the last mail was taken (time.perf_counter); ``each`` on a connection (0: all).

        Raises RuntimeError if one was not taken.
        """
        own = self._operators
        files = {"certificate": str(own.certificate), "key": str(own.key), "authority": str(own.authority)}
        job = {"port": port, **files, "each": each, "lines": [[asdict(letter) for letter in line] for line in lines]}
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write(json.dumps(job).encode() + b"\n")
        answer = json.loads(await self._running.stdout.readline())
        if problem := answer.get("problem"):
            raise RuntimeError(f"a mail was not taken: {problem}")
        return answer["begin"], answer["end"]


@asynccontextmanager
async def operators(folder: Path) -> AsyncIterator[Operators]:
    """The other operator, running. Raises RuntimeError where Postfix cannot be started."""
    made = Operators(folder)
    try:
        await made.postfix.start()
        yield made
    finally:
        await made.postfix.stop()


@asynccontextmanager
async def sender(made: Operators) -> AsyncIterator[Sender]:
    """The program, started."""
    command = [sys.executable, "-m", "deploy.bench.sender"]
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT, limit=1 << 22)
    try:
        yield Sender(made, running)
    finally:
        assert running.stdin is not None
        running.stdin.close()
        await running.wait()
