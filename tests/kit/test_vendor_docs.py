"""docs/connect: what is written there works, and is complete."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.world.ports import free_port
from deploy.world.simulator.driver import PREFIX, Driver
from deploy.world.simulator.mistakes import mistaken
from deploy.world.waiting import until
from liaison.connect.events import DATA
from liaison.kit import sandbox
from liaison.kit.conformance.rules import rules
from liaison.kit.people import EVERYBODY
from tests.kit.test_sandbox import address, running

DOCS = Path(__file__).resolve().parents[2] / "docs" / "connect"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


async def test_the_first_message_is_sent_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page("first-message.md")
    [program] = re.findall(r"```python\n(.*?)```", text, re.S)
    [promised] = re.findall(r"```text\n(.*?)```", text, re.S)
    words = next(line for line in text.splitlines() if line.startswith("liaison sandbox")).split()[2:]
    port = free_port()
    words[words.index("--webhook") + 1] = f"http://127.0.0.1:{port}/webhook"
    async with running(*words) as said:
        monkeypatch.setenv("LIAISON_HUB", address(said))
        monkeypatch.setenv("PORT", f"{port}")
        made: dict[str, Any] = {"__name__": "product"}
        exec(compile(program, "product.py", "exec"), made)
        task = asyncio.create_task(made["main"]())
        told: list[str] = []

        def seen() -> bool:
            told.extend(capsys.readouterr().out.splitlines())
            return set(promised.splitlines()) <= set(told) or task.done()

        try:
            await until(seen, "what the page promises")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert set(promised.splitlines()) <= set(told), told


def test_every_event_is_described() -> None:
    described = set(re.findall(r"^\| `([a-z_.]+)` \|", page("events.md"), re.M))
    assert set(DATA) <= described
    assert described - set(DATA) <= {"user.revoked"}


def test_the_sandbox_page_names_its_people_and_events() -> None:
    text = page("sandbox.md")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(sandbox.EVENTS)
    for one in EVERYBODY:
        assert f"| {one.name} | {one.rpps} |" in text


def test_every_rule_is_in_the_page() -> None:
    written = re.findall(r"^\| `(\w+\.\w+)` \| (.*?) \| (.*?) \|$", page("conformance.md"), re.M)
    assert written == [(rule.id, rule.what[1], rule.mend[1]) for rule in rules().values()]


def test_the_test_driver_of_the_simulator_is_the_one_of_the_page() -> None:
    routes = {(one.method, re.sub(r":[^}]*}", "}", one.path)) for one in Driver(mistaken("x"), "t").routes()}
    text = page("conformance.md")
    for method, path in routes:
        path = path.removeprefix(PREFIX)
        words = ["edits", "removals", "reactions", "handled"] if "{act}" in path else [""]
        for word in words:
            last = path.replace("{act}", word)
            assert f"`{method} {last}" in text or f"`…/{last.rpartition('/')[2]}`" in text, last


@pytest.mark.parametrize("vendor", ["pandalab", "siilo", "arcad", "medipeps"])
def test_a_vendors_page_keeps_what_is_known_apart_from_what_is_assumed(vendor: str) -> None:
    text = page(f"{vendor}.md")
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert {"Known", "Assumed", "Unknown"} <= set(titles)
    assert "is a simulator, and is labelled as one" in text
