"""Apicrypt v1 recognised: its blocks and .apz files can be opened only by the licensed codec of the site. Pure.

v1 is closed (no specification, no open implementation): what cannot be opened is refused with an explanation and stays
an opaque attachment. v2 is an ordinary operator of the trust space and is not recognised here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.model import File

CODE = "apicrypt_v1"

_BLOCK = re.compile(r"^[ \t]*\$apicrypt", re.I | re.M)
_SENDER = re.compile(r"[^@\s]+@medical[a-z0-9-]*\.apicrypt\.org", re.I)
_FILE = re.compile(r".+\.apz", re.I)


@dataclass(frozen=True, slots=True)
class Apicrypt:
    """The signs of v1 in one mail: the encrypted block of the body (as text), encrypted files, its alias as sender."""

    block: str = field(default="", repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    sender: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether there is something to decrypt (an alias alone may carry clear text)."""
        return bool(self.block or self.files)

    def refuse(self) -> None:
        """Raises Refused (``apicrypt_v1``) if something is encrypted: for sites without a codec."""
        if self.encrypted:
            raise Refused(CODE)


def recognise(text: str = "", files: Sequence[File] = (), sender: str = "") -> Apicrypt | None:
    """What of a mail is Apicrypt v1; None if nothing is. ``sender`` is the bare address of the From header."""
    found = _BLOCK.search(text[:10_000_000])
    encrypted = tuple(one for one in files if is_file(one))
    alias = _SENDER.fullmatch(sender.strip()[:320]) is not None
    if not found and not encrypted and not alias:
        return None
    return Apicrypt(text[found.start() :].strip() if found else "", encrypted, alias)


def is_file(file: File) -> bool:
    """Whether an attachment is an encrypted one (``*.apz``), or a text that is a block."""
    if _FILE.fullmatch(file.name.strip()):
        return True
    return file.mime.startswith("text/") and file.data[:64].lstrip().lower().startswith(b"$apicrypt")
