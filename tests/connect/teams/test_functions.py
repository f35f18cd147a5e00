"""A function is found, written to and answers as a person does; whoever is on duty gets the message."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.connect.make import BEN, BEN_HANDLE, CLEO, TOKENS, Json, World, message, running
from tests.core.duty.make import text_of

SIILO = TOKENS["siilo"]
GARDE = "function:garde"


async def state(w: World, ident: str, person: str, token: str) -> Json:
    """What became of a message for somebody, once it is read."""
    for _ in range(1_000):
        _, told = await w.call("GET", f"/messages/{ident}", token=token)
        found: list[Json] = [one for one in told["recipients"] if one["person"] == person]
        if found[0]["state"] == "read":
            return found[0]
        await asyncio.sleep(0.01)
    raise AssertionError(told)


async def test_a_function_is_a_recipient_like_any_other(tmp_path: Path) -> None:
    rota = tmp_path / "rota.yaml"
    rota.write_text(text_of("{who: cleo, days: daily, from: 00:00, to: 00:00}"), "utf-8")
    async with running(tmp_path, rota=rota) as w:
        await w.declare()
        _, page = await w.call("GET", "/people?q=cardiologie&kind=function&user=dan", token=SIILO)
        [found] = page["people"]
        assert (found["person"], found["name"], found["rpps"]) == (GARDE, "Cardiologie de garde", None)
        said = message("s-1", sender="dan", conversation="avis", text="Avis ?", to=[found["person"], BEN_HANDLE])
        assert (await w.call("POST", "/messages", said, token=SIILO))[0] == 202
        await w.until(lambda: w.pandalab.texts("cleo") == ["Avis ?"])
        [came] = w.pandalab.arrived("cleo")
        [talk] = w.pandalab.sim.state.conversations()
        assert {m["person"] for m in talk["members"]} == {GARDE, f"rpps:{BEN}", f"rpps:{CLEO}", "rpps:10000000004"}
        assert [m["network"] for m in talk["members"] if m["person"] == GARDE] == ["function"]
        w.pandalab.sim.read("cleo", came["id"])
        assert (await state(w, "s-1", GARDE, SIILO))["name"] == "Cardiologie de garde"
        await w.until(lambda: any("pris en charge par Cléo Petit" in text for text in w.siilo.texts("dan")))
        # what is added later, what there is not, and what nobody can be
        more = {"id": "s-2", "by": "fay", "add": [GARDE]}
        assert (await w.call("POST", "/messages", message("p-1", sender="fay", to=["siilo:dan"])))[0] == 202
        assert (await w.call("POST", "/conversations/chat-1/members", more))[0] == 202
        _, seen = await w.call("GET", "/conversations/chat-1")
        assert GARDE in {one["person"] for one in seen["members"]}
        for handle in ("function:nothing", "function:"):
            status, problem = await w.call("POST", "/messages", message("p-2", conversation="chat-2", to=[handle]))
            assert (status, problem["code"]) == (422, "unknown_recipient" if handle[9:] else "invalid")
        assert (await w.call("PUT", "/users/fay/blocked/function:garde"))[0] == 204
