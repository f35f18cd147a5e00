"""A virus scanner: a real clamd with two signatures of its own, on a Unix socket and a port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.world import process
from deploy.world.ports import free_port
from deploy.world.waiting import wait_for

CLAMD = shutil.which("clamd", path="/usr/sbin:/usr/bin")
# The file by which every scanner is tried (eicar.org), in two pieces, so that none finds it here.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + rb"-ANTIVIRUS-TEST-FILE!$H+H*"
MALWARE = b"LIAISON-TEST-" + b"MALWARE"
EICAR_FINDING, MALWARE_FINDING = "Eicar-Test.UNOFFICIAL", "Liaison.Test.UNOFFICIAL"
_CONF = """
Foreground yes
LocalSocket {folder}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {folder}/signatures
LogFile {folder}/clamd.log
TemporaryDirectory {folder}
StreamMaxLength {most}
AlertExceedsMax yes
AlertEncrypted yes
MaxThreads 4
ConcurrentDatabaseReload no
"""


class Clamd:
    """`async with Clamd(folder)`: ``socket`` and ``address`` are two ways to it. It takes files of ``most`` bytes."""

    def __init__(self, folder: Path, most: int = 4_000_000) -> None:
        self._folder, self._port, self._most = folder, free_port(), most
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        """The path of its Unix socket."""
        return str(self._folder / "clamd.sock")

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Returns once it answers. Raises RuntimeError if it does not start."""
        if CLAMD is None:
            raise RuntimeError("clamd is missing: run `make setup`")
        signatures = self._folder / "signatures"
        signatures.mkdir(parents=True, exist_ok=True)
        eicar = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
        (signatures / "test.hdb").write_text(f"{eicar}:{len(EICAR)}:{EICAR_FINDING.removesuffix('.UNOFFICIAL')}\n")
        (signatures / "test.ndb").write_text(f"{MALWARE_FINDING.removesuffix('.UNOFFICIAL')}:0:*:{MALWARE.hex()}\n")
        conf = self._folder / "clamd.conf"
        conf.write_text(_CONF.format(folder=self._folder, port=self._port, most=self._most))
        self._process = process.spawn([CLAMD, "-c", conf], process.Launch(log=self._folder / "output"))
        await wait_for(self._answers, "clamd")

    async def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "output").read_text())
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.write(b"zPING\0")
        answer = await reader.read(5)
        writer.transport.abort()
        return answer == b"PONG\0"

    async def stop(self) -> None:
        """End it; it can be started again."""
        if self._process is not None:
            await asyncio.shield(process.end(self._process))
            self._process = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
