"""Gives Megolm session keys to devices: encrypted for each, saved, sent, and noted device by device.

Sources: client-server API "m.room_key" and "m.room_key.withheld"; MSC4147 for ``sender_device_keys``. Nothing counts
as sent before the homeserver answered; a device that cannot get the key now has it kept, at the index where it begins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from appservice.e2ee.claims import KeyClaims
from appservice.e2ee.ghost_devices import Ghost
from appservice.e2ee.megolm_out import Share
from appservice.e2ee.model import MEGOLM, Device, Json, ShareState
from appservice.e2ee.olm import Olm, OlmChanges
from appservice.e2ee.todevice import Message, ToDevice, batches, transaction_id
from bridge.db import Database, Tx
from bridge.errors import Unavailable
from bridge.seal import Seal

log = logging.getLogger(__name__)

_WITHHELD = "m.room_key.withheld"

NO_KEY = "recipient_no_key"  # codes of :mod:`bridge.words`
WHY = {
    "identity_changed": "recipient_identity",
    "m.unverified": "recipient_unsigned",
    "no_device": "recipient_no_device",
}

Shares = dict[tuple[str, str], Share]


@dataclass(slots=True)
class Audience:
    """Devices that may read, devices that may not and why, people whose list could not be had or is empty."""

    allowed: dict[tuple[str, str], Device] = field(default_factory=dict)
    blocked: dict[tuple[str, str], str] = field(default_factory=dict)
    unsigned: list[Device] = field(default_factory=list)
    stale: dict[str, str] = field(default_factory=dict)  # and why: a code


@dataclass(frozen=True, slots=True)
class Gift:
    """A session to give: where it belongs and what its shares are so far (kept up to date here)."""

    room_id: str
    session_id: str
    shared_history: bool
    shares: Shares = field(repr=False)


@dataclass(frozen=True, slots=True)
class Want:
    """A device that shall read from index ``place`` on, with the session key at that index."""

    device: Device
    place: int
    key: str = field(repr=False)


class Giving:
    """The way of a session key to the devices."""

    def __init__(self, db: Database, seal: Seal, olm: Olm, claims: KeyClaims, todevice: ToDevice) -> None:
        self._db = db
        self._seal = seal
        self._olm = olm
        self._claims = claims
        self._todevice = todevice

    def keep(self, session_id: str, key: str, device: Device | None = None) -> bytes:
        """Seal a session key for a device that cannot have it yet; without a device, for all of a person's."""
        plain = f"{device.curve} {key}" if device is not None else key
        return self._seal.seal(plain.encode("ascii"), f"e2ee kept {session_id}")

    def kept(self, session_id: str, sealed: bytes, device: Device) -> str | None:
        """Open what :meth:`keep` sealed. None: it was for another device that had the same id."""
        plain = self._seal.open(bytes(sealed), f"e2ee kept {session_id}").decode("ascii")
        curve, _, key = plain.rpartition(" ")
        return key if curve in ("", device.curve) else None

    async def give(self, gift: Gift, ghost: Ghost, wants: list[Want]) -> None:
        """Give the key to each of these devices. Raises Unavailable; what is pending then goes with the next try."""
        if wants:
            without = await self._claims.ensure(ghost, [want.device for want in wants])
            await self._prepare(gift, ghost, wants, without)
        await self.send_pending(gift)

    async def send_pending(self, gift: Gift) -> None:
        """Send what was saved before and never answered."""
        txns = list(dict.fromkeys(s.txn for s in gift.shares.values() if s.state is ShareState.PENDING and s.txn))
        for txn in txns:
            state = await self._todevice.send(txn)
            for share in gift.shares.values():
                if share.txn == txn and share.state is ShareState.PENDING:
                    share.state, share.txn = state, None

    async def _prepare(self, gift: Gift, ghost: Ghost, wants: list[Want], without: set[Device]) -> None:
        async with ghost.lock:
            changes, messages, new = OlmChanges(), list[Message](), Shares()
            try:
                for want in wants:
                    content = await self._olm.encrypt(ghost, want.device, "m.room_key", _content(gift, want), changes)
                    key = (want.device.user, want.device.id)
                    if content is None:
                        kept = self.keep(gift.session_id, want.key, want.device)
                        new[key] = Share(ShareState.NO_OLM, want.place, "m.no_olm", None, kept)
                    else:
                        messages.append((*key, content))
                        new[key] = Share(ShareState.PENDING, want.place)
                groups = [(transaction_id(ghost.user), group) for group in batches(messages)]
                for txn, group in groups:
                    for user, device, _ in group:
                        new[user, device].txn = txn
                async with self._db.transaction("e2ee.share") as tx:
                    await self._olm.save(tx, ghost, changes, None)
                    for txn, group in groups:
                        await self._todevice.put(tx, ghost.user, "m.room.encrypted", group, txn)
                    await save_shares(tx, gift.session_id, new, gift.shares)
                    await tx.many("e2ee.no-olm-over", [(ghost.user, user, device) for user, device, _ in messages])
                    told = await self._tell_no_olm(tx, ghost, without)
            except BaseException:
                self._olm.forget(ghost)
                raise
        gift.shares.update(new)
        await self._courtesy(told)

    async def _courtesy(self, txns: list[str]) -> None:
        """Say why a key does not come; if that does not get through now, the next flush does it."""
        try:
            for txn in txns:
                await self._todevice.send(txn)
        except Unavailable:
            log.info("%d withheld notices wait for the homeserver", len(txns))

    async def _tell_no_olm(self, tx: Tx, ghost: Ghost, devices: set[Device]) -> list[str]:
        """Once for each device, until a session existed again (client-server API, "m.no_olm")."""
        messages: list[Message] = []
        for device in devices:
            if await tx.one("e2ee.no-olm", ghost.user, device.user, device.id) is not None:
                content = {
                    "algorithm": MEGOLM,
                    "code": "m.no_olm",
                    "reason": "No Olm session",
                    "sender_key": ghost.curve,
                }
                messages.append((device.user, device.id, content))
        return [await self._todevice.put(tx, ghost.user, _WITHHELD, group) for group in batches(messages)]

    async def withhold(
        self,
        gift: Gift,
        ghost: Ghost,
        blocked: Mapping[tuple[str, str], str],
        unsigned: Iterable[Want],
        now: tuple[int, str] | None = None,
    ) -> None:
        """Note, and tell each device once, that it does not get this session.

        For those of them that their owner has not signed, the key is kept: once it is signed, a device may read what it
        was already there for. It often is a moment later. For a person whose identity has changed (device ``*``) it is
        kept from ``now`` on (index and key): a person will say whether that is right.
        """
        news = {k: code for k, code in blocked.items() if k not in gift.shares or gift.shares[k].code != code}
        if not news:
            return
        new = {key: Share(ShareState.WITHHELD, 0, code) for key, code in news.items()}
        for want in unsigned:
            share = new.get((want.device.user, want.device.id))
            if share is not None:
                share.place, share.kept = want.place, self.keep(gift.session_id, want.key, want.device)
        for key, share in new.items():
            if key[1] == "*" and now is not None:
                before = gift.shares.get(key)
                if before is not None and before.kept is not None:
                    share.place, share.kept = before.place, before.kept
                else:
                    share.place, share.kept = now[0], self.keep(gift.session_id, now[1])
        messages = [
            (user, device, _withheld(gift, ghost, code))
            for (user, device), code in news.items()
            if device != "*" and code.startswith("m.")
        ]
        async with self._db.transaction("e2ee.withhold") as tx:
            await save_shares(tx, gift.session_id, new, gift.shares)
            told = [await self._todevice.put(tx, ghost.user, _WITHHELD, group) for group in batches(messages)]
        gift.shares.update(new)
        await self._courtesy(told)


async def save_shares(tx: Tx, session_id: str, shares: Shares, before: Shares) -> None:
    """Write the state of a session for these devices; whoever has a key kept since now is tried again."""
    rows = [(session_id, user, dev, s.state.value, s.place, s.code, s.txn, s.kept) for (user, dev), s in shares.items()]
    await tx.many("e2ee.share-save", rows)
    new = {key for key, s in shares.items() if s.kept is not None and not _kept_as(before.get(key), s.state)}
    kept = [(session_id, user, device, shares[user, device].state) for user, device in sorted(new)]
    if kept:
        await tx.many("e2ee.late-note", kept)


def _kept_as(share: Share | None, state: ShareState) -> bool:
    return share is not None and share.kept is not None and share.state == state


def _content(gift: Gift, want: Want) -> Json:
    return {
        "algorithm": MEGOLM,
        "room_id": gift.room_id,
        "session_id": gift.session_id,
        "session_key": want.key,
        "m.shared_history": gift.shared_history,
    }


def _withheld(gift: Gift, ghost: Ghost, code: str) -> Json:
    return {
        "algorithm": MEGOLM,
        "code": code,
        "reason": "The device is not signed by its owner" if code == "m.unverified" else "Not allowed",
        "room_id": gift.room_id,
        "session_id": gift.session_id,
        "sender_key": ghost.curve,
        "from_device": ghost.device,
    }


def withheld(shares: Shares, audience: Audience) -> list[tuple[str, str, str]]:
    """Those of today's audience without the key; ``*`` only for people of whom no device has it."""
    served = {user for user, _ in audience.allowed}
    present = audience.allowed.keys() | audience.blocked.keys()
    return [
        (user, device, share.code or share.state.value)
        for (user, device), share in shares.items()
        if not share.state.given and (user not in served if device == "*" else (user, device) in present)
    ]


def keyless_of(shares: Shares, audience: Audience, people: Iterable[str]) -> dict[str, str]:
    """Those of these people of whom no device has the key, and why: the reason that they can do most about."""
    given = {key[0] for key, share in shares.items() if share.state.given and key in audience.allowed}
    without = [user for user in people if user not in given]
    if not without:
        return {}
    why = {user: WHY.get(code, NO_KEY) for user, code in audience.stale.items()}
    why |= {user: WHY.get(code, NO_KEY) for (user, _), code in audience.blocked.items()}
    return {user: why.get(user, NO_KEY) for user in without}
