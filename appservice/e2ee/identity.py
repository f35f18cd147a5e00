"""A ghost's device and cross-signing keys: generated, saved, uploaded, and checked as the homeserver serves them.

Sources: MSC4190 (device by PUT), client-server API "Key management" and "Cross-signing". A device id is never used
twice: a homeserver keeps the old signature of an id for ever, and the ghost could never be verified again.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import secrets
from dataclasses import dataclass

from vodozemac import Account, Curve25519PublicKey

from appservice.client.homeserver import Homeserver, need, part
from appservice.e2ee.ghost_devices import Ghost, GhostDevices
from appservice.e2ee.model import MEGOLM, OLM, Json
from appservice.e2ee.pickles import Deposit, KeptDevice
from appservice.e2ee.signing import Seed, Sign, cross_key, read_listing, signed
from bridge.errors import Unavailable

log = logging.getLogger(__name__)

ONE_TIME_KEYS = 20  # kept on the homeserver for each ghost; the fallback key carries on when they run out
_ALGORITHM = "signed_curve25519"
_BEHIND = (0.05, 0.15, 0.5, 1.0, 2.0, 4.0)  # s between looks: a homeserver of many processes reads late what it wrote


def new_device_id() -> str:
    """Fresh, ten random characters."""
    return "HUB" + base64.b32encode(secrets.token_bytes(10)).decode("ascii")[:10]


def device_keys(user: str, device_id: str, account: Account) -> Json:
    """The public device object, signed by the device itself."""
    keys = {
        "user_id": user,
        "device_id": device_id,
        "algorithms": [OLM, MEGOLM],
        "keys": {
            f"curve25519:{device_id}": account.curve25519_key.to_base64(),
            f"ed25519:{device_id}": account.ed25519_key.to_base64(),
        },
    }
    return signed(keys, user, device_id, signer(account))


def signer(account: Account) -> Sign:
    """The device key as a signing function."""
    return lambda data: account.sign(data).to_base64()


def fallback(account: Account) -> dict[str, Curve25519PublicKey]:
    """The fallback key that is not published yet, by its id."""
    keys: dict[str, Curve25519PublicKey] = account.fallback_key  # type: ignore[attr-defined]  # missing in the stub
    return keys


def new_fallback(account: Account) -> None:
    """Make a fallback key; the one before it still reads, the one before that no longer."""
    account.generate_fallback_key()  # type: ignore[attr-defined]  # missing in the stub


def cross_signing_upload(user: str, device_id: str, account: Account, seeds: bytes) -> Json:
    """The body of ``/keys/device_signing/upload``: master signed by the device, the other two by the master."""
    master, own, others = _three(seeds)

    def public(usage: str, seed: Seed) -> Json:
        return {"user_id": user, "usage": [usage], "keys": {f"ed25519:{seed.public}": seed.public}}

    return {
        "master_key": signed(public("master", master), user, device_id, signer(account)),
        "self_signing_key": signed(public("self_signing", own), user, master.public, master.sign),
        "user_signing_key": signed(public("user_signing", others), user, master.public, master.sign),
    }


def _three(seeds: bytes) -> tuple[Seed, Seed, Seed]:
    return Seed(seeds[:32]), Seed(seeds[32:64]), Seed(seeds[64:96])


def self_signed(user: str, keys: Json, seeds: bytes) -> Json:
    """The device object with the owner's self-signing signature added."""
    own = _three(seeds)[1]
    return signed(keys, user, own.public, own.sign)


def key_upload(user: str, device_id: str, account: Account, *, one_time: bool) -> Json:
    """``one_time_keys`` and ``fallback_keys`` of ``/keys/upload``: all that are not published, signed by the device."""

    def sign(key: str, extra: Json) -> Json:
        return signed({"key": key, **extra}, user, device_id, signer(account))

    body: Json = {}
    if one_time and account.one_time_keys:
        body["one_time_keys"] = {f"{_ALGORITHM}:{i}": sign(k.to_base64(), {}) for i, k in account.one_time_keys.items()}
    if fallback(account):
        body["fallback_keys"] = {
            f"{_ALGORITHM}:{i}": sign(k.to_base64(), {"fallback": True}) for i, k in fallback(account).items()
        }
    return body


@dataclass(frozen=True, slots=True)
class SampleKeys:
    """Bodies of the calls that publish a device: keys of nobody, for a look at a homeserver. The secrets are gone."""

    device: Json
    cross_signing: Json
    signatures: Json


def sample_keys(user: str, device_id: str) -> SampleKeys:
    """As a ghost's; they open nothing."""
    account, seeds = Account(), os.urandom(96)
    account.generate_one_time_keys(1)
    new_fallback(account)
    keys = device_keys(user, device_id, account)
    bare = {name: value for name, value in keys.items() if name != "signatures"}
    return SampleKeys(
        {"device_keys": keys, **key_upload(user, device_id, account, one_time=True)},
        cross_signing_upload(user, device_id, account, seeds),
        {user: {device_id: self_signed(user, bare, seeds)}},
    )


class Identity:
    """Makes devices and keeps their one-time and fallback keys filled up."""

    def __init__(self, ghosts: GhostDevices, homeserver: Homeserver, deposit: Deposit) -> None:
        self._ghosts, self._deposit = ghosts, deposit
        self._homeserver = homeserver

    async def ensure(self, user: str) -> str:
        """The ghost's device id; makes and verifies the device first if needed. Raises Unavailable, MatrixRefused."""
        ghost = self._ghosts.get(user)
        if ghost is not None and ghost.ready:
            return ghost.device
        async with self._ghosts.making(user):
            ghost = self._ghosts.get(user)
            if ghost is None:
                ghost = await self._create(user)
            for _ in range(2):
                if ghost.ready or await self._publish(ghost):
                    return ghost.device
                log.error(
                    "the homeserver serves other keys for device %s of %s: making another device", ghost.device, user
                )
                await self._call(ghost, "DELETE", f"/_matrix/client/v3/devices/{part(ghost.device)}", None)
                ghost = await self._create(user)
        raise Unavailable("ghost_keys_not_served", alone=True)

    async def _create(self, user: str) -> Ghost:
        old = self._ghosts.get(user)
        if old is None and self._ghosts.copied and (kept := await self._deposit.get(user)) is not None:
            return await self._adopt(user, kept)
        seeds = os.urandom(96) if old is None else (await self._ghosts.secrets(old))[2]
        account, device_id = Account(), new_device_id()
        account.generate_one_time_keys(ONE_TIME_KEYS)
        new_fallback(account)
        keys = self_signed(user, device_keys(user, device_id, account), seeds)
        return await self._ghosts.add(user, device_id, account, keys, seeds)

    async def _adopt(self, user: str, kept: KeptDevice) -> Ghost:
        """A ghost that was made after the copy: the same device, to which people have encrypted meanwhile."""
        keys = self_signed(user, device_keys(user, kept.device, kept.account), kept.seeds)
        ghost = await self._ghosts.add(user, kept.device, kept.account, keys, kept.seeds)
        ghost.resumed = True
        return ghost

    async def _publish(self, ghost: Ghost) -> bool:
        """Every step may be repeated after a crash. False: the keys served are not ours, this device id is lost."""
        body = {"display_name": "Liaison"}
        device = part(ghost.device)
        await self._homeserver.call("PUT", f"/_matrix/client/v3/devices/{device}", body, user=ghost.user)
        keys, account, seeds = await self._ghosts.secrets(ghost)
        bare = {k: v for k, v in keys.items() if k != "signatures"}
        own = signed(bare, ghost.user, ghost.device, signer(account))
        await self._upload(ghost, {"device_keys": own})
        await self._cross_sign(ghost, account, seeds)
        by_owner = {**self_signed(ghost.user, bare, seeds)}
        answer = await self._call(
            ghost, "POST", "/_matrix/client/v3/keys/signatures/upload", {ghost.user: {ghost.device: by_owner}}
        )
        if answer.get("failures"):
            log.warning("the signature of device %s of %s was not taken", ghost.device, ghost.user)
        if not await self._comes_up(ghost, _three(seeds)[0].public):
            return False
        await self._ghosts.ready(ghost, keys)
        return True

    async def _cross_sign(self, ghost: Ghost, account: Account, seeds: bytes) -> None:
        """Synapse fails for keys that it has, if another device of the same user has signed them now."""
        body = cross_signing_upload(ghost.user, ghost.device, account, seeds)
        try:
            await self._call(ghost, "POST", "/_matrix/client/v3/keys/device_signing/upload", body)
        except Unavailable:
            answer = await self._query(ghost)
            ours = {"master": _three(seeds)[0].public, "self_signing": _three(seeds)[1].public}
            served = {kind: need(answer, f"{kind}_keys", dict).get(ghost.user) for kind in ours}
            if any(cross_key(served[kind], ghost.user, kind) != key for kind, key in ours.items()):
                raise

    async def _comes_up(self, ghost: Ghost, master: str) -> bool:
        """Whether what was uploaded is served, now or soon: one process may answer for what another one has taken."""
        for pause in _BEHIND:
            if await self._served(ghost, master):
                return True
            await asyncio.sleep(pause)
        return await self._served(ghost, master)

    async def _query(self, ghost: Ghost) -> Json:
        return await self._call(ghost, "POST", "/_matrix/client/v3/keys/query", {"device_keys": {ghost.user: []}})

    async def _served(self, ghost: Ghost, master: str) -> bool:
        answer = await self._query(ghost)
        need(answer, "device_keys", dict)
        listing = read_listing(ghost.user, answer, None)
        device = listing.devices.get(ghost.device)
        if device is None or listing.master != master:
            return False
        return device.signed and device.curve == ghost.curve and device.ed == ghost.ed

    async def lost(self, ghost: Ghost) -> None:
        """The homeserver does not know the device any more: put the same device and keys back."""
        log.error("device %s of %s is gone from the homeserver: putting it back", ghost.device, ghost.user)
        ghost.ready, ghost.resumed = False, True
        await self.ensure(ghost.user)

    def low(self, count: int) -> bool:
        """Are there too few one-time keys on the homeserver?"""
        return count < ONE_TIME_KEYS // 2

    async def refill(self, ghost: Ghost, count: int | None, unused: list[str] | None) -> None:
        """Act on the counts of a sync: fewer one-time keys than half, or a fallback key that was used."""
        if ghost.stale:
            return  # all of them are made anew
        want_keys = count is not None and self.low(count)
        want_fallback = unused is not None and _ALGORITHM not in unused
        if not (want_keys or want_fallback):
            return
        async with ghost.lock:
            account = await self._ghosts.account(ghost)
            if fallback(account):  # an upload whose outcome we do not know: the same fallback key may go again
                want_keys = False
            else:
                if account.one_time_keys:  # likewise, but a one-time key must never go twice: give these up
                    account.mark_keys_as_published()
                if want_keys:
                    account.generate_one_time_keys(ONE_TIME_KEYS - (count or 0))
                if want_fallback:
                    new_fallback(account)
                await self._ghosts.save_account(ghost)
        await self._upload(ghost, {}, one_time=want_keys)

    async def look_back(self, ghost: Ghost) -> None:
        """After a copy was put back: keep what the homeserver has of the ghost, before it is read for or written over.

        Raises Unavailable.
        """
        async with self._ghosts.making(ghost.user):
            if ghost.stale and not ghost.spared:
                kept = await self._deposit.get(ghost.user)
                await self._ghosts.add_spare(ghost, kept.account if kept is not None and _same(kept, ghost) else None)

    async def anew(self, ghost: Ghost) -> None:
        """Publish new one-time keys and a new fallback key, where the homeserver has none of before. Raises
        Unavailable.

        To be repeated as a whole after a crash: those of the first try have to be taken away as well.
        """
        async with ghost.lock:
            account = await self._ghosts.account(ghost)
            account.mark_keys_as_published()
            account.generate_one_time_keys(ONE_TIME_KEYS)
            new_fallback(account)
            await self._ghosts.save_account(ghost)
            body = key_upload(ghost.user, ghost.device, account, one_time=True)
        await self._keep(ghost)
        await self._call(ghost, "POST", "/_matrix/client/v3/keys/upload", body)
        async with ghost.lock:
            account = await self._ghosts.account(ghost)
            account.mark_keys_as_published()
            await self._ghosts.fresh(ghost, account)

    async def _upload(self, ghost: Ghost, body: Json, *, one_time: bool = True) -> None:
        """Upload what is not published, then note that it is; a second try after a crash leaves one-time keys out."""
        account = await self._ghosts.account(ghost)
        if body and ghost.resumed:
            one_time = False
        body = {**body, **key_upload(ghost.user, ghost.device, account, one_time=one_time)}
        if not body:
            return
        ghost.resumed = True
        await self._keep(ghost)
        await self._call(ghost, "POST", "/_matrix/client/v3/keys/upload", body)
        async with ghost.lock:
            account = await self._ghosts.account(ghost)
            account.mark_keys_as_published()
            await self._ghosts.save_account(ghost)

    async def _keep(self, ghost: Ghost) -> None:
        """Before keys are published. Raises Unavailable."""
        _, account, seeds = await self._ghosts.secrets(ghost)
        await self._deposit.put(ghost.user, KeptDevice(ghost.device, account, seeds))

    async def _call(self, ghost: Ghost, method: str, path: str, body: Json | None) -> Json:
        return await self._homeserver.call(method, path, body, user=ghost.user, device=ghost.device)


def _same(kept: KeptDevice, ghost: Ghost) -> bool:
    return kept.device == ghost.device and kept.account.curve25519_key.to_base64() == ghost.curve
