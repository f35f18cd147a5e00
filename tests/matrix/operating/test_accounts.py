"""`liaison accounts` decides while the hub runs: a whole hub, its command, and somebody who pretends to be either."""

from __future__ import annotations

import asyncio
import base64
import hmac
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from appservice.operating.door import PATH, Door, knock
from appservice.process.app import Parts, running
from appservice.process.command import main
from bridge.config import ListenSettings, read_config
from bridge.errors import Refused, Unavailable
from bridge.model import Address, Standing
from bridge.seal import Seal
from deploy.world.ports import free_port
from tests.connect.make import serve
from tests.matrix.process.test_start import TOKEN, written

CLEO = "10000000003"
OWN, EVIL = Address("pandalab", "cleo"), Address("siilo", "evil")
SEAL = Seal({"1": bytes(32)}, "1")


def configured(folder: Path, host: str = "127.0.0.1") -> tuple[str, int]:
    """A hub with two products, one of which has Cléo; gives the file and the port."""
    port = free_port()
    hook = {"webhook_url": "https://p.invalid", "webhook_secrets": [f"file:{folder}/hook"]}
    products = {name: hook | {"tokens": [TOKEN[:-1] + n]} for n, name in (("1", "pandalab"), ("2", "siilo"))}
    listen = {"host": host, "port": port}
    path = written(folder, networks={"connect": {"products": products}}, matrix_listen=listen)
    (folder / "people.csv").write_text(
        f"rpps,name,products\n{CLEO},Cléo Petit,pandalab:cleo\n10000000001,Anna Martin,\n"
    )
    return path, port


def hub(path: str) -> AbstractAsyncContextManager[Parts]:
    return running(read_config(Path(path)))


async def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The command in a process of its own, nearly: its status, and what it printed."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, ["accounts", *arguments])
    out = capsys.readouterr()
    return status, out.out + "".join(line for line in out.err.splitlines(True) if line.startswith("matrix_listen"))


async def test_the_operator_lists_and_decides_while_the_hub_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = configured(tmp_path, host="0.0.0.0")
    async with hub(path) as parts:
        assert await said(capsys, "-c", path) == (0, "no account is held\n")
        assert (await parts.hub.declare(EVIL, CLEO)).standing is Standing.HELD
        status, out = await said(capsys, "-c", path, "list")
        assert status == 0
        assert out.splitlines()[0].startswith(f"held     siilo {CLEO}  Cléo Petit  since ")
        assert out.splitlines()[1].strip() == "declared as siilo:evil; had by pandalab:cleo"
        status, out = await said(capsys, "-c", path, "accept", "siilo", CLEO, "--by", "Marie")
        assert (status, out.split()[0]) == (0, "active")
        assert out.rstrip().endswith("by Marie")
        assert await parts.hub.facts.who(EVIL) is not None
        status, out = await said(capsys, "-c", path, "refuse", "siilo", CLEO)
        assert (status, out.split()[0]) == (0, "refused")
        assert await parts.hub.facts.who(EVIL) is None
        assert "operator" in (await said(capsys, "-c", path, "list", "--state", "refused"))[1]
        assert await said(capsys, "-c", path) == (0, "no account is held\n")

        status, out = await said(capsys, "-c", path, "revoke", "pandalab:cleo", "--by", "Marie")
        assert (status, out.splitlines()[0]) == (0, f"rpps:{CLEO}  Cléo Petit")
        assert out.splitlines()[1].startswith("  revoked  pandalab:cleo  by directory  since ")
        assert out.splitlines()[1].endswith("  operator Marie")
        assert await parts.hub.facts.who(OWN) is None
        assert await said(capsys, "-c", path, "restore", "pandalab:cleo") != (0, out)
        assert "  active   pandalab:cleo  by directory" in (await said(capsys, "-c", path, "show", CLEO))[1]
        assert (await said(capsys, "-c", path, "revoke", "siilo:nobody"))[1].startswith("not_linked")


async def test_what_cannot_be_decided_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = configured(tmp_path)
    async with hub(path):
        status, out = await said(capsys, "-c", path, "accept", "siilo", CLEO)
        assert (status, out) == (
            1,
            "not_contested: No account of this product waits for an answer about this professional.\n",
        )
    status, out = await said(capsys, "-c", path)
    assert (status, out) == (1, "matrix_listen: no hub answers there: start it first\n")


async def test_who_was_in_two_products_before_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = configured(tmp_path)
    async with hub(path) as parts, parts.core.db.transaction("test") as tx:
        await tx.run("store.declare", "siilo", "evil", f"rpps:{CLEO}", 1)
    async with hub(path):
        lines = (await said(capsys, "-c", path))[1].splitlines()
        assert lines == ["no account is held", f"in several products already  {CLEO}  pandalab:cleo, siilo:evil"]
        assert (await said(capsys, "-c", path, "refuse", "siilo", CLEO))[0] == 0
        assert (await said(capsys, "-c", path))[1] == "no account is held\n"


async def test_nobody_without_the_seal_key_gets_in(tmp_path: Path) -> None:
    path, port = configured(tmp_path)
    where = ListenSettings(port=port)
    async with hub(path) as parts, aiohttp.ClientSession() as session:
        await parts.hub.declare(EVIL, CLEO)
        url = f"http://127.0.0.1:{port}{PATH.format(what='decide')}"
        question = {"product": "siilo", "rpps": CLEO, "decision": "accept", "by": "eve"}
        for headers in ({}, {"Authorization": "Bearer hs-SECRET"}, {"Liaison-Time": "1", "Liaison-Proof": "é" * 64}):
            async with session.post(url, data=orjson.dumps(question), headers=headers) as answer:
                assert (answer.status, await answer.read()) == (403, b"")
        with pytest.raises(Unavailable, match="other_hub"):
            await knock(Seal({"1": bytes(31) + b"x"}, "1"), where, "decide", question)
        assert await parts.hub.facts.who(EVIL) is None
        with pytest.raises(Unavailable, match="unknown"):
            await knock(SEAL, where, "nothing", {})
        with pytest.raises(Refused, match="not_contested"):
            await knock(SEAL, where, "decide", question | {"rpps": "10000000001"})


async def test_a_proof_is_for_its_question_and_its_minute() -> None:
    now, heard = [0.0], list[tuple[str, bytes]]()
    door, app, port = Door(SEAL, {"a": _echo, "b": _echo}, lambda: now[0]), web.Application(), free_port()
    door.routes(app)
    runner = await serve(app, port)
    try:
        with pytest.raises(Unavailable, match="clock"):
            await knock(SEAL, ListenSettings(port=port), "a", {})
        key, body = SEAL.derive("operator's door"), b"{}"
        proof = hmac.digest(key, b"ask a|5|" + body, "sha256").hex()
        async with aiohttp.ClientSession() as session:
            for what, sent, status in (
                ("a", body, 200),
                ("b", body, 403),
                ("a", b'{"x":1}', 403),
                ("a", b"x" * 70_000, 403),
            ):
                headers = {"Liaison-Time": "5", "Liaison-Proof": proof}
                async with session.post(
                    f"http://127.0.0.1:{port}/_liaison/{what}", data=sent, headers=headers
                ) as answer:
                    assert answer.status == status
                    heard.append((what, await answer.read()))
        assert heard[0] == ("a", b'{"said":{}}')
    finally:
        await runner.cleanup()


async def _echo(asked: dict[str, object]) -> dict[str, object]:
    return {"said": asked}


async def test_an_impostor_on_the_port_is_not_believed() -> None:
    async def lie(request: web.Request) -> web.Response:
        proof = base64.b64encode(b"x" * 24).decode()
        return web.Response(body=b'{"claims":[]}', headers={"Liaison-Proof": proof})

    app, port = web.Application(), free_port()
    app.router.add_post(PATH, lie)
    runner = await serve(app, port)
    try:
        with pytest.raises(Unavailable, match="other_hub"):
            await knock(SEAL, ListenSettings(port=port), "accounts", {})
    finally:
        await runner.cleanup()


def test_without_a_port_nobody_can_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accounts", "-c", written(tmp_path)]) == 2
    assert "matrix_listen.port" in capsys.readouterr().err
