"""Why a database cannot be used, as an operator reads it: what is wrong, and what mends it."""

from __future__ import annotations

import errno
import socket
import sqlite3

from bridge.db.database import OLDEST, OldServer, brief
from bridge.errors import Unavailable, said

_MADE_FOR_HUB = "createdb -O ROLE -E UTF8 -T template0 --locale=C NAME"
_RIGHTS = "chown and chmod: file and folder belong to the hub's user"
_MENDS = {
    errno.ENOENT: "correct the path, or make the folder and give it to the hub's user",
    errno.EISDIR: "name a file", errno.ENOTDIR: "correct the path: a folder is needed where a file is",
}  # fmt: skip
_OTHER_FILE = "name another file, or restore a backup (README, Restore)"
_CODES = {
    "database_in_use": "another hub uses this database: stop that one first",
    "database_newer": "a newer Liaison has used this database: run that version, or restore the older backup",
}


def why(error: BaseException) -> tuple[str, str]:
    """Of what a driver or the system has raised: what is wrong, and what mends it; without the server's text."""
    if isinstance(error, OldServer):
        return str(error), f"PostgreSQL {OLDEST} or newer is needed"
    if isinstance(error, sqlite3.Error):
        return _of_file(error)
    if isinstance(error, OSError):
        return _of_system(error)
    return _of_server(error)


def _of_file(error: sqlite3.Error) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"it cannot be written ({brief(error)})", _RIGHTS
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"the disk refuses ({brief(error)})", "look at the disk: it is full, it fails, or there is no file there"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"somebody else holds the file ({brief(error)})", "end whatever has it open"
    return f"it cannot be used: {brief(error)}", _OTHER_FILE


def _of_system(error: OSError) -> tuple[str, str]:
    if error.filename is not None and not isinstance(error, ConnectionError | socket.gaierror | TimeoutError):
        return said(error), _MENDS.get(error.errno or 0, _RIGHTS)
    mend = "look at host and port in the address, and whether PostgreSQL runs and listens there"
    return f"no server answers ({brief(error)})", mend


def _of_server(error: BaseException) -> tuple[str, str]:
    import asyncpg

    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidPasswordError):
        mend = "create the role, and give its password by PGPASSWORD or PGPASSFILE; look at pg_hba.conf"
        return f"the server does not let this user in ({brief(error)})", mend
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"the server has no database of this name ({brief(error)})", _MADE_FOR_HUB
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"the user may not do what a hub does ({brief(error)})", "make the role the owner of the database"
    if isinstance(error, asyncpg.InsufficientResourcesError):
        return f"the server has no room for another connection ({brief(error)})", "raise its max_connections"
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.PostgresConnectionError):
        return f"the server answers {brief(error)}", "look at the server's log of this moment"
    mend = "look at host and port in the address, and whether PostgreSQL runs and listens there"
    return f"no server answers ({brief(error)})", mend


def in_words(reason: Unavailable) -> str:
    """What a command says when it could not open a database, in a line."""
    if (known := _CODES.get(reason.code)) is not None:
        return known
    cause = reason.__cause__
    return ": ".join(why(cause)) if cause is not None else "it does not answer"
