"""Pure: encrypted files as messages describe them (client-server API, "Sending encrypted attachments").

AES-256-CTR with a fresh key for each file, SHA-256 over the ciphertext.
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from bridge.errors import Refused

Json = dict[str, Any]
_URL = re.compile(r"mxc://([A-Za-z0-9.\[\]:-]{1,255})/([A-Za-z0-9_-]{1,255})")
_MIME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,127}")
_UNKNOWN_MIME = "application/octet-stream"
_LONGEST_NAME = 200  # characters
_BLOCK = 16  # bytes of AES


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a Matrix message as its event describes it; whoever has the key can read it, so it is in no repr."""

    name: str = field(repr=False)
    mime: str
    server: str
    media: str
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    sha256: bytes = field(repr=False)
    size: int | None = None  # bytes, as its sender says
    said: Json = field(default_factory=dict, repr=False, compare=False)  # fields of `bridge.model.File`


def describe(content: Json) -> Attachment:
    """The file in the content of a message.

    Raises Refused: ``file_not_encrypted`` (a plain ``url``), ``file_damaged`` (what is needed to open it is not there).
    """
    found = content.get("file")
    if not isinstance(found, dict):
        raise Refused("file_not_encrypted" if "url" in content else "file_damaged")
    info = content["info"] if isinstance(content.get("info"), dict) else {}
    size = info.get("size")
    try:
        if found["v"] != "v2" or (found["key"]["kty"], found["key"]["alg"]) != ("oct", "A256CTR"):
            raise ValueError
        url = _URL.fullmatch(found["url"])
        key, iv, digest = _unb64(found["key"]["k"]), _unb64(found["iv"]), _unb64(found["hashes"]["sha256"])
        if url is None or (len(key), len(iv), len(digest)) != (32, 16, 32):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise Refused("file_damaged") from None
    name = content.get("filename") if isinstance(content.get("filename"), str) else content.get("body")
    return Attachment(
        safe_name(name), safe_mime(info.get("mimetype")), url[1], url[2], key, iv, digest,
        size if isinstance(size, int) and size >= 0 else None,
    )  # fmt: skip


def safe_name(name: Any) -> str:
    """A name without a path and without what cannot be printed, never empty."""
    last = re.split(r"[/\\]", name)[-1] if isinstance(name, str) else ""
    clean = " ".join("".join(c if c.isprintable() else " " for c in last).split()).strip(". ")
    if len(clean) > _LONGEST_NAME:
        stem, dot, ending = clean.rpartition(".")
        ending = dot + ending if 0 < len(ending) <= 16 else ""
        clean = (stem if ending else clean)[: _LONGEST_NAME - len(ending)] + ending
    return clean or "document"


def safe_mime(mime: Any) -> str:
    """``type/subtype`` (RFC 6838), without parameters; what is none is unknown."""
    short = mime.partition(";")[0].strip().lower() if isinstance(mime, str) else ""
    return short if _MIME.fullmatch(short) else _UNKNOWN_MIME


class Encryption:
    """A file of one key, encrypted piece by piece in order."""

    def __init__(self) -> None:
        self._key, self._iv = secrets.token_bytes(32), secrets.token_bytes(8) + bytes(8)
        self._encryptor = Cipher(AES(self._key), CTR(self._iv)).encryptor()
        self._digest = sha256()

    def update(self, piece: bytes) -> bytes:
        """The next piece of the ciphertext."""
        sealed = self._encryptor.update(piece)
        self._digest.update(sealed)
        return sealed

    def opened(self, url: str) -> Json:
        """The ``file`` object that opens what was encrypted, at its address."""
        k = urlsafe_b64encode(self._key).decode().rstrip("=")
        jwk = {"kty": "oct", "alg": "A256CTR", "ext": True, "k": k, "key_ops": ["encrypt", "decrypt"]}
        digest = _b64(self._digest.digest())
        return {"v": "v2", "url": url, "key": jwk, "iv": _b64(self._iv), "hashes": {"sha256": digest}}


class Decryption:
    """A file of somebody's, decrypted piece by piece from the byte ``start`` on (in CTR any byte can be the first)."""

    def __init__(self, attachment: Attachment, start: int = 0) -> None:
        block, within = divmod(start, _BLOCK)
        counter = (int.from_bytes(attachment.iv, "big") + block) % (1 << 128)
        self._decryptor = Cipher(AES(attachment.key), CTR(counter.to_bytes(16, "big"))).decryptor()
        self._decryptor.update(bytes(within))
        self._wanted, self._digest = attachment.sha256, sha256()

    def update(self, sealed: bytes) -> bytes:
        """The next piece of the file."""
        self._digest.update(sealed)
        return self._decryptor.update(sealed)

    def check(self) -> None:
        """After the last piece of a whole file. Raises Refused (file_damaged) if it is not what its sender hashed."""
        if not hmac.compare_digest(self._digest.digest(), self._wanted):
            raise Refused("file_damaged")


def to_handle(attachment: Attachment) -> str:
    """What opens somebody's file, as the hub keeps it (sealed): the ``file`` object of a message."""
    k = urlsafe_b64encode(attachment.key).decode().rstrip("=")
    jwk = {"kty": "oct", "alg": "A256CTR", "ext": True, "k": k, "key_ops": ["encrypt", "decrypt"]}
    url, hashes = f"mxc://{attachment.server}/{attachment.media}", {"sha256": _b64(attachment.sha256)}
    return json.dumps({"v": "v2", "url": url, "key": jwk, "iv": _b64(attachment.iv), "hashes": hashes})


def from_handle(handle: str) -> Attachment:
    """The file of :func:`to_handle`; its name and type are not in it. Raises Refused (file_damaged)."""
    return describe({"file": json.loads(handle)})


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


def _unb64(text: Any) -> bytes:
    """Base64 of either alphabet, padded or not. Raises TypeError, ValueError."""
    if not isinstance(text, str) or len(text) > 64:
        raise TypeError
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode((plain + "=" * (-len(plain) % 4)).encode("ascii"))
    except (binascii.Error, UnicodeEncodeError) as odd:
        raise ValueError from odd
