"""Waiting bodies and keys are encrypted at rest: AES-256-GCM, the key named by an id so that keys can rotate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12  # bytes, NIST SP 800-38D


class SealBroken(Exception):
    """A sealed value does not open: another key, or it was changed."""


class Seal:
    """Seals bytes under the active key, opens what any known key sealed.

    ``keys`` maps a key id (1 to 32 ASCII letters, digits, ``-``) to 32 bytes.
    Wire form: ``len(id) | id | nonce(12) | ciphertext+tag``; ``context`` is authenticated, not stored.
    """

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        if active not in keys:
            raise ValueError(f"the active seal key {active!r} is not among the keys")
        for name, key in keys.items():
            if len(key) != 32:
                raise ValueError(f"seal key {name!r} has {len(key)} bytes, 32 are needed")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._raw = dict(keys)
        self._active = active
        self._prefix = bytes([len(active)]) + active.encode("ascii")

    @property
    def active(self) -> str:
        """The id of the key that seals now."""
        return self._active

    @property
    def names(self) -> list[str]:
        """The ids of all keys."""
        return sorted(self._keys)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; ``context`` (a row's id) must be the same to open."""
        nonce = os.urandom(_NONCE)
        return self._prefix + nonce + self._keys[self._active].encrypt(nonce, plain, context.encode())

    def seal_with(self, name: str, plain: bytes, context: str) -> bytes:
        """The same with any of the keys."""
        return Seal(self._raw, name).seal(plain, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what :meth:`seal` made. Raises SealBroken."""
        size, name = sealed[0] if sealed else 0, self.name_in(sealed)
        key = self._keys.get(name)
        if key is None:
            raise SealBroken(f"no seal key {name!r}")
        nonce = sealed[1 + size : 1 + size + _NONCE]
        try:
            return key.decrypt(nonce, sealed[1 + size + _NONCE :], context.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value does not open") from error

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these key ids are not among the keys."""
        return sorted(set(names) - set(self._keys))

    @staticmethod
    def name_in(sealed: bytes) -> str:
        """The id of the key under which something (or its first 33 bytes) was sealed."""
        return sealed[1 : 1 + sealed[0]].decode("ascii", "replace") if sealed else ""

    def derive(self, purpose: str, key_id: str | None = None) -> bytes:
        """32 bytes for another use (key pickles), bound to one seal key (RFC 5869)."""
        return HKDF(SHA256(), 32, None, purpose.encode()).derive(self._raw[key_id or self._active])

    def __repr__(self) -> str:
        return f"Seal(active={self._active!r})"
