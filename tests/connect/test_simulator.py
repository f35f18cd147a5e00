"""The simulator's own HTTP API, and that it is labelled as what it is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.networks.connect.__main__ import main as make_secrets
from deploy.world.ports import free_port
from deploy.world.simulator import Faults
from deploy.world.waiting import PATIENCE
from tests.connect.make import CLEO, GUS, SECRETS, TOKENS, Json, World, running


async def ask(w: World, method: str, path: str, body: object = None, port: int | None = None) -> tuple[int, Any]:
    """One request to pandalab's simulator."""
    url = f"http://127.0.0.1:{port or w.pandalab.port}{path}"
    async with w.client.request(method, url, json=body) as answer:
        return answer.status, await answer.json()


async def test_it_says_that_it_is_a_simulator(w: World) -> None:
    status, about = await ask(w, "GET", "/")
    assert (status, about["simulator"], about["label"]) == (200, True, "pandalab (simulator)")
    assert "PUT /faults" in about["documentation"]
    url = f"http://127.0.0.1:{w.pandalab.port}/"
    async with w.client.get(url, headers={"Accept": "text/html"}) as answer:
        page = await answer.text()
    assert "simulateur" in page
    assert '<html lang="fr">' in page
    assert "pandalab" in page


async def test_users_write_and_get(w: World) -> None:
    status, user = await ask(w, "POST", "/users", {"id": "gus", "rpps": GUS})
    assert (status, user["name"]) == (200, "Gus Noël")
    status, sent = await ask(w, "POST", "/users/gus/messages?wait=5", {"text": "Bonjour", "to": ["siilo:dan"]})
    assert (status, sent["state"]) in {(202, "accepted"), (202, "delivered")}
    await w.until(lambda: w.siilo.texts("dan"))
    _, mine = await ask(w, "GET", "/users/gus/messages")
    assert [m["id"] for m in mine["sent"]] == [sent["id"]]
    assert mine["arrived"] == []
    status, theirs = await ask(w, "GET", "/messages", port=w.siilo.port)
    [got] = theirs["arrived"]
    assert (got["text"], got["recipients"], got["state"]) == ("Bonjour", ["dan"], "arrived")
    assert {"seq", "id", "message", "conversation", "sent_at", "at", "order", "webhook_id"} <= set(got)
    _, rest = await ask(w, "GET", f"/messages?after={got['seq']}", port=w.siilo.port)
    assert rest["arrived"] == []
    assert (await ask(w, "GET", f"/messages/{got['id']}", port=w.siilo.port))[1]["text"] == "Bonjour"


async def test_reading_typing_and_members(w: World) -> None:
    _, sent = await ask(w, "POST", "/users/cleo/messages?wait=5", {"text": "Bonjour", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    got = w.siilo.arrived("dan")[0]
    assert (await ask(w, "POST", "/users/dan/read", {"message": got["id"]}, w.siilo.port))[0] == 202
    await w.until(lambda: w.pandalab.states() == {"Bonjour": "read"})
    typing = {"conversation": got["conversation"]}
    assert (await ask(w, "POST", "/users/dan/typing", typing, w.siilo.port))[1] == {"status": 204}
    await w.until(lambda: w.pandalab.sim.typing)
    assert (await ask(w, "GET", "/typing"))[1]["typing"][0]["person"]["name"] == "Dan Moreau"
    change = {"by": "cleo", "add": ["matrix:@ben:chu.example"]}
    status, answer = await ask(w, "POST", f"/conversations/{sent['conversation']}/members?wait=5", change)
    assert (status, answer["state"]) == (202, "done")
    both = [one.sim.state for one in (w.siilo, w.pandalab)]  # nobody tells a product what it has done itself
    await w.until(lambda: [len(one["members"]) for state in both for one in state.conversations()] == [3, 3])
    assert len((await ask(w, "GET", "/conversations", port=w.siilo.port))[1]["conversations"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/users/nobody/messages", {"text": "x"}, 404),
        ("POST", "/users/cleo/messages", {}, 422),
        ("POST", "/users/cleo/messages", [], 422),
        ("POST", "/users", {"id": "x"}, 422),
        ("GET", "/messages/none", None, 404),
        ("GET", "/messages?after=x", None, 422),
        ("GET", "/nothing", None, 404),
        ("PUT", "/faults", {"fire": True}, 422),
        ("PUT", "/faults", {"down": 1}, 422),
        ("PUT", "/faults", {"slow_ms": True}, 422),
        ("PUT", "/faults", {"slow_ms": -1}, 422),
        ("PUT", "/faults", {"status_5xx": "often"}, 422),
    ],
)
async def test_wrong_requests_are_told(w: World, method: str, path: str, body: object, status: int) -> None:
    got, answer = await ask(w, method, path, body)
    assert got == status
    assert answer["error"]


async def test_the_hubs_refusal_is_shown(w: World) -> None:
    status, problem = await ask(w, "POST", "/users", {"id": "x", "rpps": "99999999999"})
    assert (status, problem["code"]) == (422, "unknown_rpps")
    _, sent = await ask(w, "POST", "/users/cleo/messages?wait=5", {"text": "x", "to": ["rpps:99999999999"]})
    assert (sent["state"], sent["problem"]["field"]) == ("refused", "to.0")
    users = {u["id"]: u["declared"] for u in (await ask(w, "GET", "/users"))[1]["users"]}
    assert users == {"cleo": True, "fay": True, "x": False}


async def test_an_id_is_used_once(w: World) -> None:
    body = {"id": "p-1", "text": "x", "to": ["siilo:dan"]}
    assert (await ask(w, "POST", "/users/cleo/messages", body))[0] == 202
    assert (await ask(w, "POST", "/users/cleo/messages", body))[0] == 409


async def test_files_are_listed_and_downloaded(w: World) -> None:
    given = {"name": 'Éa".pdf', "type": "application/pdf", "content": "JVBERi0="}
    body = {"to": ["siilo:dan"], "files": [given]}
    status, sent = await ask(w, "POST", "/users/cleo/messages?wait=5", body)
    assert status == 202
    assert sent["text"] == ""
    await w.until(lambda: w.siilo.arrived("dan"))
    _, listed = await ask(w, "GET", "/files", port=w.siilo.port)
    [one] = listed["files"]
    expected = {"id": one["id"], "message": w.siilo.arrived("dan")[0]["id"], "name": given["name"]}
    assert one == expected | {"type": "application/pdf", "size": 5, "sha256": hashlib.sha256(b"%PDF-").hexdigest()}
    assert w.siilo.arrived("dan")[0]["files"] == [one]
    assert (await ask(w, "GET", "/files?message=none"))[1] == {"files": []}
    assert len((await ask(w, "GET", f"/files?message={sent['id']}"))[1]["files"]) == 1  # what was written is kept, too
    async with w.client.get(f"http://127.0.0.1:{w.siilo.port}/files/{one['id']}") as answer:
        assert await answer.read() == b"%PDF-"
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%89a%22.pdf"
    assert (await ask(w, "GET", "/files/none"))[0] == 404


@pytest.mark.parametrize(
    "files",
    [
        "x",
        ["x"],
        [{}],
        [{"name": "a", "type": "b/c", "content": "%"}],
        [{"name": "a", "type": "b/c", "content": 1}],
        [{"name": "a", "type": "b/c", "content": "QUJD", "sha256": "0" * 64}],
    ],
)
async def test_files_that_are_none(w: World, files: object) -> None:
    status, answer = await ask(w, "POST", "/users/cleo/messages", {"text": "x", "files": files})
    assert (status, answer["error"].partition(":")[0]) == (422, "files")
    assert w.pandalab.sim.state.messages()["sent"] == []


async def test_the_log_holds_no_files(w: World) -> None:
    given = {"name": "a.pdf", "type": "application/pdf", "content": "JVBERi0="}
    await ask(w, "POST", "/users/cleo/messages?wait=5", {"text": "x", "to": ["siilo:dan"], "files": [given]})
    await w.until(lambda: w.siilo.texts("dan"))
    for served in w.products.values():
        _, events = await ask(w, "GET", "/events", port=served.port)
        _, posts = await ask(w, "GET", "/posts", port=served.port)
        assert "JVBERi0=" not in json.dumps([events, posts])


async def test_faults_are_switched(w: World) -> None:
    status, faults = await ask(w, "PUT", "/faults", {"slow_ms": 5, "duplicate": True, "status_5xx": 0.5})
    assert (status, faults["slow_ms"], faults["duplicate"], faults["down"]) == (200, 5, True, False)
    assert w.pandalab.sim.outbox.duplicate
    assert (await ask(w, "PUT", "/faults", {}))[1] == (await ask(w, "GET", "/faults"))[1]
    assert not w.pandalab.sim.outbox.duplicate


async def test_events_count_repeats(w: World) -> None:
    w.siilo.sim.set_faults(Faults(lose_answer=1.0))
    await ask(w, "POST", "/users/cleo/messages", {"text": "x", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.sim.state.events()["repeats"] >= 2)
    w.siilo.sim.set_faults(Faults())
    await w.until(lambda: w.pandalab.states() == {"x": "delivered"})
    _, events = await ask(w, "GET", "/events", port=w.siilo.port)
    assert events["taken"] == 1
    assert events["events"][0]["body"]["data"]["text"] == "x"
    assert len({e["webhook_id"] for e in events["events"]}) == 1
    _, posts = await ask(w, "GET", "/posts")
    assert {p["state"] for p in posts["posts"]} == {"done"}


async def test_what_is_written_while_the_hub_is_down_arrives(tmp_path: Path) -> None:
    async with running(tmp_path) as w:
        await w.stop_hub()
        for served, user, rpps in ((w.pandalab, "cleo", CLEO), (w.siilo, "dan", "10000000004")):
            served.sim.add_user(user, rpps)
        _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "1", "to": ["matrix:@ben:chu.example"]})
        w.pandalab.sim.write("cleo", {"text": "2", "conversation": conversation})
        await asyncio.sleep(0.2)
        await w.pandalab.stop()  # and the product ends, too
        await w.start_hub()
        await w.pandalab.start(w.url)
        await w.until(lambda: len(w.matrix.delivered) == 2)
        assert [d.body.text for d in w.matrix.delivered] == ["1", "2"]


async def _reachable(client: aiohttp.ClientSession, url: str) -> Json:
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with client.get(url) as answer:
                    return dict(await answer.json())
            await asyncio.sleep(0.05)


@pytest.mark.real_time
async def test_it_runs_as_a_program_and_survives_a_kill(w: World, tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "program.db"
    command = [
        sys.executable, "-m", "deploy.world.simulator", "--name", "pandalab", "--port", str(port), "--hub", w.url,
        "--state", str(state),
    ]  # fmt: skip
    secrets = {"SIMULATOR_TOKEN": TOKENS["pandalab"], "SIMULATOR_SECRET": SECRETS["pandalab"]}
    for life in range(2):
        process = await asyncio.create_subprocess_exec(*command, env=os.environ | secrets, cwd=Path.cwd())
        try:
            about = await _reachable(w.client, f"http://127.0.0.1:{port}/")
            assert about["simulator"] is True
            if life == 0:
                await ask(w, "POST", "/users", {"id": "gus", "rpps": GUS}, port)
                await ask(w, "POST", "/users/gus/messages?wait=5", {"text": "x", "to": ["siilo:dan"]}, port)
            _, messages = await ask(w, "GET", "/users/gus/messages", port=port)
            assert [m["text"] for m in messages["sent"]] == ["x"]
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()


def test_secrets_for_a_new_product(capsys: pytest.CaptureFixture[str]) -> None:
    make_secrets()
    made = capsys.readouterr().out
    assert "tokens: [sha256:" in made
    assert "whsec_" in made
