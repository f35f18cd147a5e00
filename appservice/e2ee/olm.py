"""Olm sessions between our ghosts' devices and other people's: choosing, reading, writing, saving.

Source: Olm specification and client-server API "m.olm.v1.curve25519-aes-sha2". The session that last decrypted
something encrypts the next message; when none can, the session is broken and a new one is made (:mod:`.repair`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from vodozemac import (
    Account,
    AnyOlmMessage,
    Curve25519PublicKey,
    PreKeyMessage,
    Session,
)

from appservice.e2ee.ghost_devices import Ghost, GhostDevices
from appservice.e2ee.model import OLM, Device, Json
from appservice.e2ee.pickles import Pickles
from appservice.e2ee.signing import b64, unb64
from bridge.db import Database, Tx
from bridge.parts.lru import Lru

log = logging.getLogger(__name__)

_KEEP = 5  # sessions with one device; more only come from broken or hostile peers


@dataclass(slots=True, eq=False)
class Channel:
    """One Olm session. ``used``: when it last decrypted (ms), 0 for never."""

    session: Session
    id: str
    used: int
    retired: bool = False  # of an older copy of the database: it reads, and never writes


@dataclass(slots=True)
class OlmChanges:
    """What one batch of Olm work changed; saved in the transaction that also saves what came of it."""

    account: bool = False
    channels: dict[tuple[str, str], tuple[str, Channel]] = field(
        default_factory=dict
    )  # (curve, id) -> (curve, channel)
    gone: list[tuple[str, str]] = field(default_factory=list)
    spare: Account | None = None  # a ghost's account of after the copy, once it has read something
    past: set[str] = field(default_factory=set)  # devices (curve) that still write with a session that is retired

    def changed(self, curve: str, channel: Channel) -> None:
        """This session's ratchet moved."""
        self.channels[curve, channel.id] = (curve, channel)


class Unreadable(Exception):
    """No session reads this Olm message, and no new one can be made from it."""


class Olm:
    """All Olm sessions. Hold the ghost's lock from reading a session to saving it."""

    def __init__(
        self, db: Database, ghosts: GhostDevices, pickles: Pickles, clock_ms: Callable[[], int], size: int = 8192
    ) -> None:
        self._db = db
        self._ghosts = ghosts
        self._pickles = pickles
        self._clock = clock_ms
        self._channels: Lru[tuple[str, str], list[Channel]] = Lru(size)

    async def channels(self, ghost: Ghost, curve: str) -> list[Channel]:
        """Sessions with a device, the best one first."""
        known = self._channels.get((ghost.user, curve))
        if known is not None:
            return known
        rows = await self._db.all("e2ee.olm", ghost.user, curve)
        loaded = [
            Channel(
                self._pickles.load(Session, r["pickle"], r["key_id"]), r["session_id"], r["used"], r["retired"] == 1
            )
            for r in rows
        ]
        return self._channels.get((ghost.user, curve)) or self._channels.put((ghost.user, curve), loaded)

    async def speaks(self, ghost: Ghost, curve: str) -> bool:
        """Whether there is a session with a device that may write."""
        return any(not channel.retired for channel in await self.channels(ghost, curve))

    def forget(self, ghost: Ghost) -> None:
        """A commit failed: read everything of this ghost again."""
        for key in self._channels.known():
            if key[0] == ghost.user:
                self._channels.drop(key)
        self._ghosts.forget(ghost)

    async def open(self, ghost: Ghost, device: Device, one_time_key: str, changes: OlmChanges) -> None:
        """A new session from a claimed key. Raises ValueError for a bad key."""
        account = await self._ghosts.account(ghost)
        ours = await self.channels(ghost, device.curve)
        session = account.create_outbound_session(
            Curve25519PublicKey.from_base64(device.curve), Curve25519PublicKey.from_base64(one_time_key)
        )
        self._keep(device.curve, ours, Channel(session, session.session_id, self._clock()), changes)

    def _keep(self, curve: str, ours: list[Channel], channel: Channel, changes: OlmChanges) -> None:
        ours.insert(0, channel)
        changes.changed(curve, channel)
        for old in ours[_KEEP:]:
            changes.gone.append((curve, old.id))
            changes.channels.pop((curve, old.id), None)
        del ours[_KEEP:]

    async def encrypt(self, ghost: Ghost, device: Device, kind: str, content: Json, changes: OlmChanges) -> Json | None:
        """The content of an ``m.room.encrypted`` to-device event, or None without a session."""
        ours = [channel for channel in await self.channels(ghost, device.curve) if not channel.retired]
        if not ours:
            return None
        plain = {
            "type": kind,
            "content": content,
            "sender": ghost.user,
            "recipient": device.user,
            "recipient_keys": {"ed25519": device.ed},
            "keys": {"ed25519": ghost.ed},
            "sender_device_keys": await self._ghosts.public(ghost),
        }
        kind_number, body = ours[0].session.encrypt(orjson.dumps(plain)).to_parts()
        changes.changed(device.curve, ours[0])
        return {
            "algorithm": OLM,
            "sender_key": ghost.curve,
            "ciphertext": {device.curve: {"type": kind_number, "body": b64(body)}},
        }

    async def decrypt(self, ghost: Ghost, curve: str, kind: int, body: str, changes: OlmChanges) -> bytes:
        """Read one Olm message. Raises Unreadable."""
        ours = await self.channels(ghost, curve)
        try:
            message = AnyOlmMessage.from_parts(kind, unb64(body))
            opening = PreKeyMessage.from_base64(body) if kind == 0 else None
        except (ValueError, OverflowError) as error:
            raise Unreadable from error
        for channel in ours:
            if opening is not None and not channel.session.session_matches(opening):
                continue
            try:
                plain = channel.session.decrypt(message)
            except ValueError:
                continue
            self._used(curve, ours, channel, changes)
            return plain
        if opening is None or any(c.session.session_matches(opening) for c in ours):
            raise Unreadable
        account = await self._ghosts.account(ghost)
        try:
            session, plain = _inbound(account, curve, opening)
            changes.account = True
        except Unreadable:
            return await self._read_by_spare(ghost, curve, opening, changes)
        self._keep(curve, ours, Channel(session, session.session_id, self._clock()), changes)
        return plain

    async def _read_by_spare(self, ghost: Ghost, curve: str, opening: PreKeyMessage, changes: OlmChanges) -> bytes:
        """Read what was encrypted to a one-time key of after the copy. Raises Unreadable.

        The session may have gone on before the copy was put back: it reads, and never writes.
        """
        spare = changes.spare or await self._ghosts.spare(ghost)
        if spare is None:
            raise Unreadable
        session, plain = _inbound(spare, curve, opening)
        changes.spare = spare
        changes.past.add(curve)
        ours = await self.channels(ghost, curve)
        self._keep(curve, ours, Channel(session, session.session_id, self._clock(), retired=True), changes)
        return plain

    def _used(self, curve: str, ours: list[Channel], channel: Channel, changes: OlmChanges) -> None:
        channel.used = self._clock()
        if channel.retired:
            changes.past.add(curve)
        else:
            ours.remove(channel)
            ours.insert(0, channel)
        changes.changed(curve, channel)

    async def save(self, tx: Tx, ghost: Ghost, changes: OlmChanges, account: Account | None) -> None:
        """Write the changes; give the account if it was changed."""
        if changes.account and account is not None:
            await self._ghosts.write_account(tx, ghost, account)
        if changes.spare is not None:
            await self._ghosts.write_spare(tx, ghost, changes.spare)
        key_id = self._pickles.key_id
        rows: list[tuple[Any, ...]] = [
            (ghost.user, curve, c.id, c.used, self._pickles.dump(c.session), key_id, int(c.retired))
            for curve, c in changes.channels.values()
        ]
        await tx.many("e2ee.olm-save", rows)
        await tx.many("e2ee.olm-gone", [(ghost.user, curve, session) for curve, session in changes.gone])


def _inbound(account: Account, curve: str, opening: PreKeyMessage) -> tuple[Session, bytes]:
    try:
        return account.create_inbound_session(Curve25519PublicKey.from_base64(curve), opening)
    except ValueError as error:
        raise Unreadable from error
