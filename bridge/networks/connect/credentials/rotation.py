"""A product's tokens and webhook secrets as they are changed, by the API or an operator: on disk as hashes, and sealed.

Those of the configuration count until they are ended here; an end is for good, whatever the configuration says later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from bridge.db import Database, Tx
from bridge.errors import Refused, Unavailable
from bridge.networks.connect.products import Product
from bridge.networks.connect.signing import Signer, new_secret, new_token, read_secret
from bridge.parts.turns import Turns
from bridge.seal import Seal
from bridge.trail.entry import TrailEntry, TrailKind, note

MOST = 8  # tokens, and secrets, that are good at once
DAY = 86_400_000  # ms
LONGEST = 90 * DAY
_UNUSED = 30 * DAY  # until the old tokens end although nobody has used the new one
_OVERLAP = DAY  # of secrets


class Credentials:
    """``clock`` gives milliseconds since 1970."""

    def __init__(self, db: Database, seal: Seal, clock: Callable[[], int]) -> None:
        self._db = db
        self._seal = seal
        self._clock = clock
        self._turns = Turns()  # by product: what is on disk and what counts at work change together

    async def load(self, product: Product) -> None:
        """As it was when the hub ended."""
        for row in await self._db.all("connect_keys.tokens", product.name):
            digest = bytes.fromhex(row["hash"])
            if digest not in product.tokens:
                product.tokens = (*product.tokens, digest)
            if row["until"] is not None:
                product.ends[digest] = row["until"]
            if row["used"] is None:
                product.unused.add(digest)
        signer = _signer(product)
        for row in await self._db.all("connect_keys.secrets", product.name) if signer is not None else ():
            assert signer is not None
            secret = None if row["secret"] is None else self._open(product.name, row["id"], bytes(row["secret"]))
            signer.keep(row["id"], secret, row["until"])

    def _open(self, network: str, ident: str, sealed: bytes) -> bytes:
        return self._seal.open(sealed, f"connect secret {network} {ident}")

    # ---- tokens

    async def token(self, product: Product, old_until: int | None, by: str | None = None) -> tuple[str, int]:
        """A new token, and when (ms) the old ones end: then, or as soon as the new one is used (None), in 30 days.

        A token that was asked for before and never used is good no longer. ``by``: the operator who asks; None: the
        product does. Raises Refused (bad_end, too_many_keys).
        """
        async with self._turns.of(product.name):
            return await self._token(product, old_until, by)

    async def _token(self, product: Product, old_until: int | None, by: str | None) -> tuple[str, int]:
        now = self._clock()
        end = _end(old_until, now, _UNUSED)
        others = [one for one in product.alive(now) if one not in product.unused]
        if len(others) >= MOST:
            raise Refused("too_many_keys")
        token = new_token()
        digest = hashlib.sha256(token.encode()).digest()
        ends = {one: min(end, product.ends.get(one, end)) for one in others}
        async with self._db.transaction("connect.token") as tx:
            await tx.many("connect_keys.drop_token", [(one.hex(),) for one in sorted(product.unused)])
            used = None if old_until is None else now
            await tx.run("connect_keys.add_token", digest.hex(), product.name, now, used)
            await self._end(tx, product.name, ends)
            await self._noted(tx, product.name, "token", digest.hex()[:16], by)
        product.tokens = (*(one for one in product.tokens if one not in product.unused), digest)
        product.unused = {digest} if old_until is None else set()
        product.ends.update(ends)
        return token, end

    async def _noted(self, tx: Tx, network: str, what: str, ident: str, by: str | None) -> None:
        """Its name, which is the beginning of a hash, and never itself."""
        about = None if by is None else network
        made = TrailEntry(TrailKind.CREDENTIAL, by or network, ident, about, "made", {"what": what})
        await note(tx, made, self._clock())

    async def _end(self, tx: Tx, network: str, ends: Mapping[bytes, int]) -> None:
        now = self._clock()
        rows = [(digest.hex(), network, now, until) for digest, until in sorted(ends.items())]
        await tx.many("connect_keys.end_token", rows)

    async def used(self, product: Product, digest: bytes) -> None:
        """A new token is used for the first time: the old ones end. Raises Unavailable for one that has just ended."""
        async with self._turns.of(product.name):
            if digest in product.unused:
                await self._used(product, digest)
            elif digest not in product.alive(self._clock()):
                raise Unavailable("not_ready", 2)

    async def _used(self, product: Product, digest: bytes) -> None:
        now = self._clock()
        ends = {one: now - 1 for one in product.alive(now) if one != digest}
        async with self._db.transaction("connect.token-used") as tx:
            await tx.run("connect_keys.use_token", digest.hex(), now)
            await self._end(tx, product.name, ends)
            used = TrailEntry(TrailKind.CREDENTIAL, product.name, digest.hex()[:16], None, "used", {"ended": len(ends)})
            await note(tx, used, now)
        product.unused.discard(digest)
        product.ends.update(ends)

    # ---- webhook secrets

    async def secret(self, product: Product, old_until: int | None, by: str | None = None) -> tuple[str, int]:
        """A new webhook secret, and when (ms) the old ones sign no longer: in a day, unless told.

        ``by``: as for a token. Raises Refused (no_webhook, bad_end, too_many_keys).
        """
        async with self._turns.of(product.name):
            return await self._secret(product, old_until, by)

    async def _secret(self, product: Product, old_until: int | None, by: str | None) -> tuple[str, int]:
        signer, now = _signer(product), self._clock()
        if signer is None:
            raise Refused("no_webhook")
        end = _end(old_until, now, _OVERLAP)
        others = signer.alive(now)
        if len(others) >= MOST:
            raise Refused("too_many_keys")
        secret = new_secret()
        key = read_secret(secret)
        ident = Signer.name_of(key)
        ends = {one: end if until is None else min(end, until) for one, until in others.items()}
        async with self._db.transaction("connect.secret") as tx:
            sealed = self._seal.seal(key, f"connect secret {product.name} {ident}")
            await tx.run("connect_keys.add_secret", product.name, ident, sealed, now)
            rows = [(product.name, one, now, until) for one, until in sorted(ends.items())]
            await tx.many("connect_keys.end_secret", rows)
            await self._noted(tx, product.name, "secret", ident[:16], by)
        signer.keep(ident, key, None)
        for one, until in ends.items():
            signer.keep(one, None, until)
        return secret, end


def _signer(product: Product) -> Signer | None:
    return None if product.out is None or product.out.webhook is None else product.out.webhook.signer


def _end(old_until: int | None, now: int, default: int) -> int:
    """Raises Refused (bad_end) for a time that has passed, or is too far away."""
    if old_until is None:
        return now + default
    if not now <= old_until <= now + LONGEST:
        raise Refused("bad_end", "old_until")
    return old_until
