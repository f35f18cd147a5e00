"""A product changes its token and its secret by itself: the new one is good at once, the old one until it ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bridge.errors import Refused, Unavailable
from bridge.networks.connect.credentials.by_operators import state_of
from bridge.networks.connect.signing import Signer, read_secret
from tests.connect.make import SECRETS, TOKENS, World, running, serve, time_text

OLD = TOKENS["siilo"]


@pytest_asyncio.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as world:
        await world.declare()
        yield world


async def good(w: World, *tokens: str) -> list[bool]:
    """Which of these siilo may use."""
    return [(await w.call("GET", "/users/dan", token=token))[0] == 200 for token in tokens]


async def rotate(w: World, what: str, token: str, **said: object) -> str:
    status, made = await w.call("POST", f"/credentials/{what}", said, token=token)
    assert status == 201, made
    return str(made["token" if what == "token" else "secret"])


async def test_the_old_token_is_good_until_the_new_one_is_used(w: World) -> None:
    new = await rotate(w, "token", OLD)
    assert new.startswith("liaison_")
    assert await good(w, OLD, OLD) == [True, True]
    assert await good(w, new, OLD, new) == [True, False, True]
    await w.stop_hub()
    await w.start_hub()  # whatever the configuration says
    assert await good(w, OLD, new, TOKENS["pandalab"]) == [False, True, False]
    stored = (w.folder / "hub.db").read_bytes() + (w.folder / "hub.db-wal").read_bytes()
    assert new.encode() not in stored


async def test_a_token_that_was_lost_on_the_way_is_good_no_longer_once_another_is_asked_for(w: World) -> None:
    lost = await rotate(w, "token", OLD)
    new = await rotate(w, "token", OLD)
    assert await good(w, lost, OLD, new, OLD) == [False, True, True, False]


async def test_an_unused_token_ends_the_old_one_at_last(w: World) -> None:
    new = await rotate(w, "token", OLD)
    w.ahead += 29 * 86_400
    assert await good(w, OLD) == [True]
    w.ahead += 2 * 86_400
    assert await good(w, OLD, new) == [False, True]


async def test_both_tokens_are_good_until_the_time_that_the_product_names(w: World) -> None:
    until = datetime.now(UTC) + timedelta(days=2)
    new = await rotate(w, "token", OLD, old_until=time_text(until))
    assert await good(w, new, OLD, new, OLD) == [True] * 4
    _, shown = await w.call("GET", "/credentials", token=new)
    assert [one["until"] is None for one in shown["tokens"]] == [False, True]
    w.ahead += 2 * 86_400 + 60
    await w.stop_hub()
    await w.start_hub()
    assert await good(w, OLD, new) == [False, True]


@pytest.mark.parametrize("days", [-1, 91])
async def test_an_end_is_in_the_next_days(w: World, days: int) -> None:
    said = {"old_until": time_text(datetime.now(UTC) + timedelta(days=days))}
    status, problem = await w.call("POST", "/credentials/token", said, token=OLD)
    assert (status, problem["code"], problem["field"]) == (422, "bad_end", "old_until")


async def test_tokens_do_not_heap_up(w: World) -> None:
    said = {"old_until": time_text(datetime.now(UTC) + timedelta(days=2))}
    statuses = [(await w.call("POST", "/credentials/token", said, token=OLD))[0] for _ in range(9)]
    assert statuses == [201] * 7 + [422] * 2


async def test_two_secrets_sign_while_one_replaces_the_other(w: World) -> None:
    old, signed = SECRETS["siilo"], list[tuple[str, int, bytes, str]]()

    async def webhook(request: web.Request) -> web.Response:
        at, body = int(request.headers["webhook-timestamp"]), await request.read()
        signed.append((request.headers["webhook-id"], at, body, request.headers["webhook-signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook", webhook)
    await w.siilo.stop()
    w.siilo.runner = await serve(app, w.siilo.port)

    async def signs(*secrets: str) -> list[bool]:
        """With which of these a webhook is signed now."""
        assert (await w.call("POST", "/webhook/test", token=OLD))[1]["outcome"] == "delivered"
        ident, at, body, signatures = signed[-1]
        return [Signer([read_secret(one)]).sign(ident, at, body) in signatures.split() for one in secrets]

    assert await signs(old) == [True]
    new = await rotate(w, "webhook-secret", OLD)
    assert new.encode() not in (w.folder / "hub.db").read_bytes() + (w.folder / "hub.db-wal").read_bytes()
    assert await signs(old, new) == [True, True]
    for ahead, good in ((0, [True, True]), (86_400 + 60, [False, True])):
        w.ahead += ahead
        assert await signs(old, new) == good
        await w.stop_hub()
        await w.start_hub()
        assert await signs(old, new) == good
    _, shown = await w.call("GET", "/credentials", token=OLD)
    assert len(shown["webhook_secrets"]) == 1


async def test_an_operator_makes_a_new_one_once(w: World) -> None:
    """A form that is sent twice changes nothing the second time; the trail has names alone."""
    siilo = w.connectors["siilo"]
    stand = await siilo.stand()
    known = state_of(stand.tokens)
    both = await asyncio.gather(
        *(siilo.operated.token("operator ann", None, known) for _ in range(2)), return_exceptions=True
    )
    assert [one.code for one in both if isinstance(one, Refused)] == ["keys_changed"]
    new = next(one[0] for one in both if not isinstance(one, BaseException))
    assert await good(w, OLD, new, OLD) == [True, True, False]
    leaked = state_of((await siilo.stand()).tokens)
    third, end = await siilo.operated.token("operator ann", 0, leaked)
    assert end <= w._now() + 1000
    w.ahead += 2
    assert await good(w, new, third) == [False, True]
    known = state_of((await siilo.stand()).secrets)
    secret, _ = await siilo.operated.secret("operator ann", None, known)
    with pytest.raises(Refused, match="keys_changed"):
        await siilo.operated.secret("operator ann", None, known)
    assert len((await siilo.stand()).secrets) == 2
    rows = await w.hub._store.db.all("trail.next", 1000)
    made = [row for row in rows if row["kind"] == "credential" and row["result"] == "made"]
    assert [(row["actor"], row["object"]) for row in made] == [("operator ann", "siilo")] * 3
    assert {row["subject"] for row in made} >= {key.name for key in (await siilo.stand()).tokens}
    said = str([tuple(row[name] for name in ("actor", "subject", "object", "details")) for row in rows])
    assert not [one for one in (new, third, secret) if one in said or one[8:] in said]
    await w.stop_hub()
    with pytest.raises(Unavailable, match="not_ready"):
        await siilo.operated.token("operator ann", None, known)


async def test_an_operator_and_the_product_that_change_at_once_leave_what_a_restart_finds(w: World) -> None:
    """What counts at work is what is on disk: nobody is let in by a key that a restart would not know, nor kept out."""
    siilo = w.connectors["siilo"]
    kept, product = siilo._credentials, siilo.product
    assert kept is not None
    waiting = await rotate(w, "token", OLD)
    known = state_of((await siilo.stand()).tokens)
    made, answers = await asyncio.gather(siilo.operated.token("operator ann", None, known), good(w, waiting))
    twice = await asyncio.gather(kept.token(product, None), kept.token(product, None))
    tokens = [OLD, waiting, made[0], *(one[0] for one in twice)]
    assert sum(one in product.tokens for one in (digest_of(token) for token, _ in twice)) == 1
    at_work = [digest_of(token) in product.alive(w._now()) for token in tokens]
    await w.stop_hub()
    await w.start_hub()
    product = w.connectors["siilo"].product
    assert [digest_of(token) in product.alive(w._now()) for token in tokens] == at_work
    assert any(at_work[:2]), "the product has one of these, and no other"
    assert answers in ([True], [False])


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
