"""A throw-away PostgreSQL server on a free port."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from deploy.world import process
from deploy.world.ports import free_port
from deploy.world.waiting import PATIENCE, STARTING

_MEMORY = Path("/dev/shm")  # a file system that is memory
_ROOM = 4 << 30  # bytes that have to be free there
_STILL_USED = "pre-existing shared memory block"
_AGAIN = 100  # times that it is tried while the memory of a killed server is still in use
_FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "max_wal_size=256MB"]
_DURABLE = ["max_connections=300"]


class Postgres:
    """One server with its own data, gone when stopped; started by root it runs as the user `postgres`."""

    def __init__(self, *, durable: bool = False, in_memory: bool = False) -> None:
        """``in_memory``: its files lie there if there is enough."""
        self.port = free_port()
        # Not below pytest's folders, which are closed to the user postgres; short, since socket paths are limited.
        self.directory = Path(tempfile.mkdtemp(prefix="liaison-pg-", dir=memory() if in_memory else None))
        self._settings = _DURABLE if durable else _FAST
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def url(self, dbname: str) -> str:
        """The address of one of its databases, as asyncpg takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{dbname}"

    async def start(self) -> None:
        """Make the data directory if there is none and start the server.

        Raises RuntimeError when PostgreSQL is not installed or does not come up.
        """
        data = self.directory / "data"
        owner = unprivileged()
        self.directory.chmod(0o755)
        if owner:
            os.chown(self.directory, *owner)
        if not data.exists():
            command: list[str | Path] = [
                program("initdb"),
                "-D",
                data,
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "trust",
                "-N",
            ]
            await self._run(command, owner)
        listen = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={data}"]
        settings = [word for setting in listen + self._settings for word in ("-c", setting)]
        launch = process.Launch(log=self._log, cwd=data, user=owner, at_parents_death=signal.SIGQUIT)
        command = [program("postgres"), "-D", data, *settings]
        for _ in range(_AGAIN):
            self._process = process.spawn(command, launch)
            if await self._answering():
                return
            if _STILL_USED not in self._log.read_text()[-2000:]:  # of a server that was killed, the last have not ended
                break
            await process.pause()
        raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")

    async def stop(self) -> None:
        """Stop the server and remove its data."""
        await self.kill(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    async def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        """Stop the server and keep its data; `start` brings it back."""
        if self._process:
            await process.end(self._process, by)
            self._process = None

    async def create_database(self, template: str = "template0", over: asyncpg.Connection | None = None) -> str:
        """Make a new database, empty or as a copy of another, over this connection or a new one; give its URL."""
        self._databases += 1
        name = f"t{os.getpid()}_{self._databases}"
        async with self._connection(over) as connection:
            # Their files are copied in a fifth of the time that their content takes through the log, the rule since 15.
            how = "strategy file_copy" if connection.get_server_version().major >= 15 else ""
            await connection.execute(f"create database {name} encoding 'UTF8' locale 'C' template {template} {how}")
        return self.url(name)

    async def drop_database(self, url: str, over: asyncpg.Connection | None = None) -> None:
        """Remove a database of :meth:`create_database`, whoever is connected to it."""
        async with self._connection(over) as connection:
            await connection.execute(f"drop database if exists {url.rpartition('/')[2]} with (force)")

    @asynccontextmanager
    async def _connection(self, over: asyncpg.Connection | None) -> AsyncIterator[asyncpg.Connection]:
        connection = over or await asyncpg.connect(self.url("postgres"))
        try:
            yield connection
        finally:
            if over is None:
                await connection.close()

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    async def _run(self, command: list[str | Path], owner: tuple[int, int] | None) -> None:
        child = process.spawn(command, process.Launch(log=self._log, cwd=self.directory, user=owner))
        if not await process.gone(child, STARTING) or child.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{self._log.read_text()[-2000:]}")

    async def _answering(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STARTING
        while self._process is not None and self._process.poll() is None and loop.time() < deadline:
            try:
                connection = await asyncpg.connect(self.url("postgres"), timeout=PATIENCE)
            except (OSError, asyncpg.PostgresError):
                await process.pause()
                continue
            await connection.close()
            return True
        return False


def memory() -> Path | None:
    """A file system in memory with enough room: half of the work of many small databases is with their files."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return None


def program(name: str) -> Path:
    """Find a server program; Debian keeps them out of the path, one folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1]
    on_path = shutil.which(name)
    if not on_path:
        raise RuntimeError("PostgreSQL is missing: run `make setup`")
    return Path(on_path)


def unprivileged() -> tuple[int, int] | None:
    """The user as whom a server runs that root starts; root itself it refuses."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    return user.pw_uid, user.pw_gid
