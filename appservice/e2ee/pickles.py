"""Private keys at rest: vodozemac pickles under a key derived from the hub's seal key, named by its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from vodozemac import Account, GroupSession, InboundGroupSession, Session

from bridge.seal import Seal

_PURPOSE = "pickle"


class Pickled(Protocol):
    """Account, Session, GroupSession and InboundGroupSession of vodozemac."""

    def pickle(self, pickle_key: bytes, /) -> str:
        """Its private state as text."""


P = TypeVar("P", covariant=True)


class Pickleable(Protocol[P]):
    """A class that reads what :class:`Pickled` wrote."""

    def from_pickle(self, pickle: str, pickle_key: bytes, /) -> P:
        """The state from text."""


_IN_TABLE: Mapping[str, Pickleable[Pickled]] = {
    "e2ee_ghost": Account, "e2ee_olm": Session, "e2ee_in": InboundGroupSession, "e2ee_out": GroupSession,
}  # fmt: skip


class Pickles:
    """Writes under the active seal key, reads under the one that a row names."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._keys: dict[str, bytes] = {}
        self.key_id = seal.active
        self._active = self._key(seal.active)

    def _key(self, key_id: str) -> bytes:
        key = self._keys.get(key_id)
        if key is None:
            key = self._keys[key_id] = self._seal.derive(_PURPOSE, key_id)
        return key

    def dump(self, thing: Pickled) -> str:
        """To be stored together with :attr:`key_id`."""
        return thing.pickle(self._active)

    def anew(self, table: str, text: str, key_id: str) -> str:
        """What a row of a table holds, written under the active key. Raises ValueError if it does not open."""
        return self.dump(self.load(_IN_TABLE[table], text, key_id))

    def load(self, kind: Pickleable[P], text: str, key_id: str) -> P:
        """Raises ValueError if the text was not written under that key."""
        return kind.from_pickle(text, self._key(key_id))
