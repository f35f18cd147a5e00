"""The words of the key engine: policy, what it is told about a room, and what comes out of a decryption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.db import Tx

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"
Json = dict[str, Any]
Trust = Literal["signed", "unsigned", "unknown_device"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do with devices of people that their owner has not signed (MSC4153), and how long a Megolm session lives.

    The three levels are apart: read their messages, share keys with them, go on when somebody's identity changed.
    The rotation values are ceilings; a room's own ``m.room.encryption`` wins where it is lower.
    """

    receive_unsigned: bool = False
    send_unsigned: bool = False
    changed_identity: Literal["refuse", "accept"] = "refuse"
    rotation_messages: int = 100
    rotation_ms: int = 604_800_000


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room as its keeper knows it.

    ``members`` are all who may read: joined, and invited unless history visibility is ``joined``; our ghosts included.
    ``waiting`` are those of them whose keys are kept until :meth:`Engine.late`: their clients would not know us yet.
    """

    room_id: str
    members: frozenset[str]
    rotation_messages: int | None = None
    rotation_ms: int | None = None
    shared_history: bool = False
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a person. ``signed``: by its owner's cross-signing keys, as pinned."""

    user: str
    id: str
    curve: str
    ed: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A room event in clear. Call ``seen`` in the transaction that stores it: it refuses a replay for ever."""

    type: str
    content: Json = field(repr=False)
    sender_key: str
    device_id: str | None
    trust: Trust
    session_id: str
    index: int
    seen: Callable[[Tx], Awaitable[None]] = field(repr=False)


class KeyMissing(Exception):
    """The key of this event is not here (yet). ``withheld_code``: its sender told us why we do not get it."""

    def __init__(self, session_id: str, withheld_code: str | None = None) -> None:
        super().__init__(f"no key for session {session_id}" + (f" ({withheld_code})" if withheld_code else ""))
        self.session_id = session_id
        self.withheld_code = withheld_code


class Undecryptable(Exception):
    """This event can never be shown; ``code`` is a stable word.

    ``replay``, ``wrong_room``, ``wrong_sender``, ``unsigned_device``, ``unknown_device``, ``identity_changed``,
    ``bad_ciphertext``, ``unsupported_algorithm``, ``too_old`` (before the first index that we were given).
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
