"""A session on the server: it notices soon that nobody is there, and shows nothing that a failover could take back.

With synchronous replication a commit is answered, and seen by others, once a replica has it on its disk. Two things
end that: a primary that crashes and comes back by itself shows commits that no replica has; and a commit that is told
not to wait any longer (cancelled, a statement_timeout) shows itself at once. Whoever acts on what they see there, and
does not write, may act on what the next primary has never had. A write of one's own is answered once the replica has
all that came before it. So a session begins with one (:func:`make_sure`), and makes another whenever a commit was
given up.

Each statement of a session sees what is committed when it begins (READ COMMITTED), whatever the server's or the role's
default is: who waits for the next holder of the lease would see with an older snapshot that they hold it still.
Source: PostgreSQL, "Synchronous Replication", "Transaction Isolation"; SyncRepWaitForLSN in syncrep.c.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

from bridge.db.database import OLDEST, BadAddress, OldServer

_NO_ADDRESS = "database.url is no address (in a password, write @ : / # as %40 %3A %2F %23)"
_CONNECT = 10.0  # s for a connection to be made
_SILENT = 15  # s after which a machine that acknowledges nothing is taken for dead
_SURE = "SELECT pg_logical_emit_message(true, 'liaison', '')"  # a commit that writes nothing but the log
_EACH_SEES = "SET default_transaction_isolation = 'read committed'"
_GAVE_UP = "SyncRepWaitForLSN"  # what says that a commit is on this server only


async def plain(url: str, **options: Any) -> Any:
    """A connection, also to a replica. Raises OldServer, BadAddress, and what asyncpg raises."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT, **options)
    except ValueError:  # its text may hold a part of the password
        raise BadAddress(_NO_ADDRESS) from None
    if (version := connection.get_server_version().major) < OLDEST:
        connection.terminate()
        raise OldServer(f"PostgreSQL {version} is too old")
    return connection


async def connect(url: str, gave_up: Callable[[Any], None] | None = None, **options: Any) -> Any:
    """A session. Raises what asyncpg raises.

    ``gave_up`` is called with the connection when a commit on it was told not to wait for the replica.
    """
    connection = await plain(url, **options)
    _watch(connection)
    if gave_up is not None:
        connection.add_log_listener(lambda on, said: _listen(on, said, gave_up))
    try:
        await connection.execute(_EACH_SEES)
        await make_sure(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def make_sure(connection: Any) -> None:
    """All that was committed before is on the replica, too, if there is a synchronous one.

    Raises what asyncpg raises; any refusal means that this server is no primary, or cannot write.
    """
    try:
        await connection.fetchval(_SURE)
    except asyncpg.PostgresError as refusal:
        raise asyncpg.ConnectionDoesNotExistError("the server cannot write") from refusal


def _watch(connection: Any) -> None:
    """Have the system end the connection when the other machine is silent: nobody else would notice for a minute."""
    transport = getattr(connection, "_transport", None)
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENT // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENT // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT * 1000)


def _listen(connection: Any, said: Any, gave_up: Callable[[Any], None]) -> None:
    if said.server_source_function == _GAVE_UP:
        gave_up(connection)
