"""A product's user is away: writers are told, the substitute gets what is written, and it ends by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.connect.make import BEN_HANDLE, CLEO, DAN, GUS, TOKENS, World, message, running, time_text
from tests.connect.users.test_endings import ended

SIILO = TOKENS["siilo"]
WORDS = "Je reviens lundi."


def day(number: float) -> str:
    return time_text(datetime.now(UTC) + timedelta(days=number))


@pytest_asyncio.fixture
async def f(tmp_path: Path) -> AsyncIterator[World]:
    """A hub with a rota, of which nobody is needed."""
    rota = tmp_path / "rota.yaml"
    rota.write_text("functions: {}\n", "utf-8")
    async with running(tmp_path, rota=rota) as world:
        await world.declare()
        yield world


async def says(w: World, ident: str, chat: str) -> None:
    """dan writes from his product."""
    body = message(ident, sender="dan", conversation=chat, text=ident, to=[])
    assert (await w.call("POST", "/messages", body, token=SIILO))[0] == 202


def members(w: World) -> list[set[str]]:
    return [{m["name"] for m in one["members"]} for one in w.siilo.sim.state.conversations()]


async def test_writers_are_told_the_substitute_gets_it_and_it_ends_by_itself(f: World) -> None:
    w = f
    assert (await w.call("POST", "/messages", message("m-1", to=["siilo:dan"])))[0] == 202
    await w.until(lambda: w.siilo.arrived("dan"))
    chat = w.siilo.arrived("dan")[0]["conversation"]
    said = {"until": day(5), "substitute": BEN_HANDLE, "words": WORDS, "to": "both"}
    status, told = await w.call("PUT", "/users/cleo/absence", said)
    assert (status, told["to"], told["words"], told["substitute"]["name"]) == (200, "both", WORDS, "Ben Durand")
    assert WORDS.encode() not in b"".join(one.read_bytes() for one in w.folder.glob("hub.db*"))
    await says(w, "Un", chat)
    await w.until(lambda: "Un" in w.pandalab.texts("cleo"))  # she gets it as ever
    await w.until(lambda: [d.body.text for d in w.matrix.delivered if d.body.text == "Un"])
    await w.until(lambda: any(WORDS in text for text in w.siilo.texts("dan")))
    [notice] = [text for text in w.siilo.texts("dan") if WORDS in text]
    assert "Cléo Petit" in notice
    assert "Ben Durand" in notice
    await w.until(lambda: members(w) == [{"Cléo Petit", "Dan Moreau", "Ben Durand"}])
    await w.stop_hub()  # it is on disk
    await w.start_hub()
    assert (await w.call("GET", "/users/cleo/absence"))[1] == told
    await says(w, "Deux", chat)
    await w.until(lambda: [d for d in w.matrix.delivered if d.body.text == "Deux"])
    w.ahead = 6 * 86_400.0
    await w.until(lambda: members(w) == [{"Cléo Petit", "Dan Moreau"}])  # everybody hears that he has left
    assert (await w.call("GET", "/users/cleo/absence"))[1]["code"] == "not_absent"
    await says(w, "Trois", chat)
    await w.until(lambda: "Trois" in w.pandalab.texts("cleo"))
    assert len([text for text in w.siilo.texts("dan") if WORDS in text]) == 1
    assert "Trois" not in [d.body.text for d in w.matrix.delivered]
    # longer, shorter, and with the end of the user
    assert (await w.call("PUT", "/users/cleo/absence", said | {"until": day(9)}))[0] == 200
    await says(w, "Quatre", chat)
    await w.until(lambda: members(w) == [{"Cléo Petit", "Dan Moreau", "Ben Durand"}])
    assert (await w.call("DELETE", "/users/cleo/absence"))[0] == 204
    await w.until(lambda: members(w) == [{"Cléo Petit", "Dan Moreau"}])
    assert (await w.call("PUT", "/users/cleo/absence", said | {"until": day(9)}))[0] == 200
    await ended(w)
    assert await w.hub._store.db.all("connect_users.absences", "pandalab", "", 10) == []


async def test_a_substitute_in_the_writers_product_is_named_and_not_brought(f: World) -> None:
    w = f
    assert (await w.call("PUT", "/users/gus", {"rpps": GUS}, token=SIILO))[0] == 200
    assert (await w.call("POST", "/messages", message("m-1", to=["siilo:dan"])))[0] == 202
    await w.until(lambda: w.siilo.arrived("dan"))
    said = {"until": day(5), "substitute": f"rpps:{GUS}", "to": "both"}
    assert (await w.call("PUT", "/users/cleo/absence", said))[0] == 200
    await says(w, "Bonjour", w.siilo.arrived("dan")[0]["conversation"])
    await w.until(lambda: any("Gus Noël" in text for text in w.siilo.texts("dan")))
    assert members(w) == [{"Cléo Petit", "Dan Moreau"}]
    # an account that becomes somebody else's is not away
    assert (await w.call("PUT", "/users/cleo", {"rpps": "10000000001"}))[0] == 200
    assert (await w.call("GET", "/users/cleo/absence"))[1]["code"] == "not_absent"


SAID: list[tuple[str, dict[str, Any], tuple[int, str | None]]] = [
    ("cleo", {"until": day(-1)}, (422, "bad_period")),
    ("cleo", {"until": day(800)}, (422, "bad_period")),
    ("cleo", {"since": day(3), "until": day(2)}, (422, "bad_period")),
    ("cleo", {}, (422, "invalid")),
    ("cleo", {"until": day(1), "words": "x" * 501}, (422, "invalid")),
    ("cleo", {"until": day(1), "to": "both"}, (422, "no_substitute")),
    ("cleo", {"until": day(1), "substitute": f"rpps:{CLEO}"}, (422, "own_substitute")),
    ("cleo", {"until": day(1), "substitute": "siilo:nobody"}, (422, "unknown_recipient")),
    ("nobody", {"until": day(1)}, (403, "unknown_sender")),
    ("dan", {"until": day(1)}, (403, "unknown_sender")),  # of another product
    ("fay", {"until": day(1), "substitute": f"rpps:{DAN}"}, (200, None)),
    ("fay", {"since": day(-9), "until": day(1)}, (200, None)),
]


async def test_what_can_be_said(w: World) -> None:
    for user, said, answer in SAID:
        status, told = await w.call("PUT", f"/users/{user}/absence", said)
        assert (status, told.get("code")) == answer, (said, told)
