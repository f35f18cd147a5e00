"""The operator's door into a running hub: ``liaison`` asks, on the same machine, with the same configuration.

A second process cannot open the database of a running hub, so what the operator decides goes through the hub itself.
Both sides prove that they have the seal key, which neither the homeserver nor a product has: the question and the
answer carry an HMAC of the time and of what is said. Whoever only listens on the port learns no secret and lies to
nobody.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from bridge.config import ListenSettings
from bridge.errors import Refused, Unavailable
from bridge.seal import Seal
from bridge.words import say

Json = dict[str, Any]
Act = Callable[[Json], Awaitable[Json]]

PATH = "/_liaison/{what}"
_PURPOSE = "operator's door"
_TOLERANCE = 60.0  # s between the clocks of two processes of one machine
_LARGEST = 64 * 1024
_TIMEOUT = 60.0
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a hub may listen


class Door:
    """What may be asked: ``acts`` by name. ``clock`` gives seconds since 1970."""

    def __init__(self, seal: Seal, acts: Mapping[str, Act], clock: Callable[[], float] = time.time) -> None:
        self._key = seal.derive(_PURPOSE)
        self._acts = acts
        self._clock = clock

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_post(PATH, self._asked)

    async def _asked(self, request: web.Request) -> web.Response:
        what, body, at = request.match_info["what"], await _read(request), request.headers.get("Liaison-Time", "")
        if not _is(self._key, f"ask {what}", at, body, request.headers.get("Liaison-Proof", "")):
            return web.Response(status=403)
        act = self._acts.get(what)
        if act is None or not at.isdecimal() or abs(self._clock() - int(at)) > _TOLERANCE:
            return self._answer(at, {"error": "unknown" if act is None else "clock"})
        try:
            return self._answer(at, await act(orjson.loads(body)))
        except Refused as refused:
            return self._answer(at, {"error": refused.code, "words": say(refused.code)[1]})
        except Unavailable as unavailable:
            return self._answer(at, {"error": unavailable.code})

    def _answer(self, at: str, said: Json) -> web.Response:
        body = orjson.dumps(said)
        headers = {"Liaison-Proof": _proof(self._key, "answer", at, body)}
        return web.Response(body=body, content_type="application/json", headers=headers)


async def knock(seal: Seal, where: ListenSettings, what: str, asked: Json) -> Json:
    """Ask the running hub. Raises Refused (with its English words) or Unavailable (no_hub, other_hub)."""
    key, body, at = seal.derive(_PURPOSE), orjson.dumps(asked), str(int(time.time()))
    host = _EVERYWHERE.get(where.host, where.host)
    url = f"{'http' if where.certificate is None else 'https'}://{f'[{host}]' if ':' in host else host}:{where.port}"
    headers = {
        "Liaison-Time": at,
        "Liaison-Proof": _proof(key, f"ask {what}", at, body),
        "Content-Type": "application/json",
    }
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            asking = session.post(url + PATH.format(what=what), data=body, headers=headers, ssl=False)
            async with asking as answer:  # whoever answers has to prove it, with any certificate
                said, proof = await answer.read(), answer.headers.get("Liaison-Proof", "")
    except (aiohttp.ClientError, OSError, TimeoutError):
        raise Unavailable("no_hub") from None
    if not _is(key, "answer", at, said, proof):
        raise Unavailable("other_hub")
    found: Json = orjson.loads(said)
    if "words" in found:
        raise Refused(found["error"], about=found["words"])
    if "error" in found:
        raise Unavailable(found["error"])
    return found


async def _read(request: web.Request) -> bytes:
    """The body, cut where it is longer than any question: then its proof is wrong."""
    body = b""
    async for part in request.content.iter_chunked(_LARGEST):
        body += part
        if len(body) > _LARGEST:
            break
    return body


def _proof(key: bytes, side: str, at: str, said: bytes) -> str:
    return hmac.digest(key, f"{side}|{at}|".encode() + said, "sha256").hex()


def _is(key: bytes, side: str, at: str, said: bytes, proof: str) -> bool:
    return hmac.compare_digest(_proof(key, side, at, said).encode(), proof.encode("utf-8", "replace"))
