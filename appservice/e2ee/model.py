"""The words of the key engine: policy, what it is told about a room, and what comes out of a decryption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
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
    ``open_voice`` is a user of ours whose messages hold no content: every device of a member may read them, as it is
    there that a refusal of that very device is explained. The rotation values are ceilings; a room's own
    ``m.room.encryption`` wins where it is lower.
    """

    receive_unsigned: bool = False
    send_unsigned: bool = False
    changed_identity: Literal["refuse", "accept"] = "refuse"
    open_voice: str = ""
    rotation_messages: int = 100
    rotation_ms: int = 604_800_000


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the engine tells and asks whoever uses it; each may be missing.

    ``keys(room_id, session_id)``: a Megolm session arrived, or the reason why it does not: events that wait for it may
    be tried again. ``waits(room_id, user)``: are this person's keys kept for now, as in :class:`RoomState`?
    ``settled(room_id, user, lacks)``: kept keys were tried to be given; is something still unreadable for them?
    ``trusted(user)``: is somebody's server in the trust space? What is kept for others is tried once it is.
    """

    keys: Callable[[str, str], None] | None = None
    waits: Callable[[str, str], Awaitable[bool]] | None = None
    settled: Callable[[str, str, bool], Awaitable[None]] | None = None
    trusted: Callable[[str], bool] = lambda user: True


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
class IdentityOf:
    """Somebody's cross-signing identity: the master key pinned at first sight, and the one served now (base64).

    ``devices``: whether each is signed by the pinned identity. ``rooms``: where keys are kept for them.
    """

    user: str
    pinned: str | None
    served: str | None
    devices: dict[str, bool]
    rooms: list[str]

    @property
    def changed(self) -> bool:
        """Whether it is another one than the one pinned: nothing is given to them, and they are not heard."""
        return self.pinned is not None and self.served is not None and self.pinned != self.served


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A room event in clear. Call ``seen`` in the transaction that stores it: it refuses a replay for ever.

    ``first`` is the same for an event that was not stored before: a replay ends the transaction in a Conflict.
    """

    type: str
    content: Json = field(repr=False)
    sender_key: str
    device_id: str | None
    trust: Trust
    session_id: str
    index: int
    seen: Callable[[Tx], Awaitable[None]] = field(repr=False)
    first: Callable[[Tx], Awaitable[None]] = field(repr=False)


class ShareState(StrEnum):
    """What became of one Megolm session for one device, as in the table ``e2ee_share``.

    ::

        UNKNOWN ─> NO_OLM ─> PENDING ─> SENT
                     ^          │  ^
                     │          │  └─ WITHHELD (also from SENT, when the device may read no longer)
                     └──────────┴──── REFUSED

    A person's UNKNOWN row ends once the device list is known. A new session begins without rows.
    """

    UNKNOWN = "unknown"  # the person's device list could not be had, or is empty: stands for the person ("*")
    NO_OLM = "no_olm"  # the device gave no one-time key
    PENDING = "pending"  # encrypted and saved; the homeserver has not answered yet
    SENT = "sent"  # the homeserver has it
    WITHHELD = "withheld"  # the device may not read, and was told why (``code``)
    REFUSED = "refused"  # the homeserver will not take it

    @property
    def given(self) -> bool:
        """Nothing more is to be done: the device has the key, or it is on its way."""
        return self in (ShareState.SENT, ShareState.PENDING)

    @property
    def late(self) -> bool:
        """The device had no key when it was tried; trying again may help."""
        return self in (ShareState.NO_OLM, ShareState.UNKNOWN)

    @property
    def may_be_kept(self) -> bool:
        """A key may be kept for this device or person until they can have it."""
        return self.late or self is ShareState.WITHHELD


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
