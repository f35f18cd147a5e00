"""A product changes its token and its webhook secret by itself."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bridge.errors import Unavailable
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.credentials.key_words import NewCredential
from bridge.networks.connect.credentials.rotation import Credentials
from bridge.networks.connect.fields import Json, time_text
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.wire import milliseconds


class CredentialCalls:
    """``clock`` gives seconds since 1970."""

    def __init__(self, kept: Credentials | None, clock: Callable[[], float]) -> None:
        self._kept = kept
        self._clock = clock

    async def credentials(self, call: Call) -> web.Response:
        """GET /credentials."""
        product, now = call.product, int(self._clock() * 1000)
        tokens = [_view(digest.hex(), product.ends.get(digest)) for digest in product.alive(now)]
        out = product.out
        signing = out.webhook.signer.alive(now) if out is not None and out.webhook is not None else {}
        secrets = [_view(ident, until) for ident, until in signing.items()]
        return json_answer({"tokens": tokens, "webhook_secrets": secrets})

    async def rotate_token(self, call: Call) -> web.Response:
        """POST /credentials/token."""
        token, until = await self._stored.token(call.product, _asked(call))
        return json_answer({"token": token, "old_until": time_text(until)}, 201)

    async def rotate_secret(self, call: Call) -> web.Response:
        """POST /credentials/webhook-secret."""
        secret, until = await self._stored.secret(call.product, _asked(call))
        return json_answer({"secret": secret, "old_until": time_text(until)}, 201)

    @property
    def _stored(self) -> Credentials:
        if self._kept is None:
            raise Unavailable("not_ready", 2)
        return self._kept


def _asked(call: Call) -> int | None:
    said = call.parse(NewCredential).old_until
    return None if said is None else milliseconds(said)


def _view(sha256: str, until: int | None) -> Json:
    return {"sha256": sha256[:16], "until": None if until is None else time_text(until)}
