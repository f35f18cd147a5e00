"""Private keys at rest: vodozemac pickles under a key derived from the hub's seal key, named by its id.

They are in the database. A ghost's account lies beside it as well, at the homeserver (:class:`Deposit`).
"""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from vodozemac import Account, GroupSession, InboundGroupSession, Session

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from bridge.seal import Seal, SealBroken

log = logging.getLogger(__name__)
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
    "e2ee_ghost": Account, "e2ee_spare": Account,
    "e2ee_olm": Session, "e2ee_in": InboundGroupSession, "e2ee_out": GroupSession,
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


def seeds_context(user: str) -> str:
    """With what a ghost's cross-signing seeds are sealed."""
    return f"e2ee cross-signing {user}"


@dataclass(frozen=True, slots=True)
class KeptDevice:
    """A ghost's device as it was when keys of it were published last."""

    device: str
    account: Account = field(repr=False)
    seeds: bytes = field(repr=False)


class Deposit:
    """Each ghost's account in its own account data: what a copy of the database lacks that is put back later.

    A client that takes a one-time key of after the copy encrypts to a private half which only this has. It is written
    before keys are published, which is seldom (ten new devices), and read after a copy was put back. Whoever has not
    the hub's seal key can do nothing with it.
    """

    TYPE = "fr.liaison.account"

    def __init__(self, homeserver: Homeserver, pickles: Pickles, seal: Seal) -> None:
        self._homeserver, self._pickles, self._seal = homeserver, pickles, seal

    async def put(self, user: str, kept: KeptDevice) -> None:
        """Keep it instead of the one before. Raises Unavailable: then nothing may be published yet.

        A homeserver without account data is no reason to have no keys.
        """
        seeds = b64encode(self._seal.seal(kept.seeds, seeds_context(user))).decode("ascii")
        account, key_id = self._pickles.dump(kept.account), self._pickles.key_id
        body = {"device_id": kept.device, "key_id": key_id, "account": account, "seeds": seeds}
        try:
            await self._homeserver.call("PUT", _path(user), body, user=user)
        except MatrixRefused as refused:
            log.warning("the homeserver keeps no account of %s for a copy of the database: %s", user, refused)

    async def get(self, user: str) -> KeptDevice | None:
        """What is kept; None: nothing, or nothing that opens. Raises Unavailable."""
        try:
            found = await self._homeserver.call("GET", _path(user), user=user)
        except MatrixRefused:
            return None
        device, key_id, account, seeds = (found.get(name) for name in ("device_id", "key_id", "account", "seeds"))
        if not all(isinstance(one, str) for one in (device, key_id, account, seeds)):
            return None
        try:
            opened = self._seal.open(b64decode(str(seeds)), seeds_context(user))
            return KeptDevice(str(device), self._pickles.load(Account, str(account), str(key_id)), opened)
        except (ValueError, KeyError, SealBroken):
            log.warning("what the homeserver keeps of %s does not open: its seal key %r is gone", user, key_id)
            return None


def _path(user: str) -> str:
    return f"/_matrix/client/v3/user/{part(user)}/account_data/{Deposit.TYPE}"
