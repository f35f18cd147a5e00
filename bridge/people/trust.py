"""May it pass: pure rules about servers and identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

_MXID = re.compile(r"@[!-9;-~]+:([0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_RPPS = re.compile(r"[0-9]{11}")


def is_rpps(number: str) -> bool:
    """Eleven digits. The check digit is not required: real entries of the directory break it."""
    return number.isascii() and _RPPS.fullmatch(number) is not None


def is_mxid(text: str) -> bool:
    """Whether this can be a Matrix user id, an old one with capital letters too (spec, "Historical User IDs")."""
    return len(text) <= 255 and _MXID.fullmatch(text) is not None


def server_of(mxid: str) -> str:
    """The server name of a Matrix user id (Matrix spec, "User identifiers"), lower case."""
    return mxid.partition(":")[2].lower()


def trusted_server(server: str, patterns: Sequence[str]) -> bool:
    """Whether a server is named by one of the patterns: exact names, or ``*.domain`` for its children, or ``*``."""
    return any(fnmatchcase(server, pattern.lower()) for pattern in patterns)
