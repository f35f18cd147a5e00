"""Whoever is blocked is refused in a neutral word, on every leg; the others of a conversation get the message."""

from __future__ import annotations

import asyncio

from bridge.model import State
from tests.connect.make import BEN, BEN_HANDLE, CLEO, DAN, TOKENS, Json, World, message

SIILO = TOKENS["siilo"]


async def status(w: World, ident: str, token: str = SIILO) -> Json:
    """What becomes of a message, by person, once nothing is open."""
    for _ in range(1_000):
        _, told = await w.call("GET", f"/messages/{ident}", token=token)
        states = {one["person"]: (one["state"], one["reason"]) for one in told["recipients"]}
        if all(state != "accepted" for state, _ in states.values()):
            return states
        await asyncio.sleep(0.01)
    raise AssertionError(states)


async def block(w: World, method: str = "PUT", person: str = f"rpps:{DAN}") -> tuple[int, Json]:
    return await w.call(method, f"/users/cleo/blocked/{person}")


async def test_who_is_blocked_reaches_the_others_only(w: World) -> None:
    body = message("m-1", to=["siilo:dan", "pandalab:fay", BEN_HANDLE])
    assert (await w.call("POST", "/messages", body))[0] == 202
    await w.until(lambda: w.siilo.arrived("dan"))
    chat = w.siilo.arrived("dan")[0]["conversation"]
    assert await block(w) == (204, {})
    assert await block(w) == (204, {})  # again is the same
    for restart in (False, True):
        if restart:
            await w.stop_hub()
            await w.start_hub()
        said = message(f"s-{restart}", sender="dan", conversation=chat, text=f"Bonjour {restart}", to=[])
        assert (await w.call("POST", "/messages", said, token=SIILO))[0] == 202
        assert (await status(w, f"s-{restart}"))[f"rpps:{CLEO}"] == ("refused", "not_taken")
        assert (await status(w, f"s-{restart}"))["rpps:10000000005"] == ("delivered", None)
    assert w.pandalab.texts("cleo") == []
    assert w.pandalab.texts("fay") == ["Bonjour False", "Bonjour True"]
    [members] = [one["members"] for one in w.pandalab.sim.state.conversations()]
    assert "Cléo Petit" in {member["name"] for member in members}  # she is still there
    assert await block(w, "DELETE") == (204, {})
    said = message("s-3", sender="dan", conversation=chat, text="De nouveau", to=[])
    assert (await w.call("POST", "/messages", said, token=SIILO))[0] == 202
    await w.until(lambda: w.pandalab.texts("cleo") == ["De nouveau"])


async def test_a_matrix_user_and_one_who_is_alone_hear_the_neutral_word(w: World) -> None:
    assert (await w.call("POST", "/messages", message("m-1", to=[BEN_HANDLE])))[0] == 202
    await w.until(lambda: w.matrix.delivered)
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    assert (await block(w, person=BEN_HANDLE))[0] == 204
    await w.matrix.write("$1", "!room", "@ben:chu.example", "Bonjour")
    await w.until(lambda: w.matrix.told)
    [state] = w.matrix.told[-1].states
    assert (state.state, state.reason) == (State.REFUSED, "not_taken")
    _, page = await w.call("GET", "/users/cleo/blocked")
    assert [one["rpps"] for one in page["items"]] == [BEN]
    # and she may write to whom she has blocked
    assert (await w.call("POST", "/messages", message("m-2", to=[])))[0] == 202
    await w.until(lambda: len(w.matrix.delivered) == 2)


async def test_only_somebody_who_is_there_can_block_and_be_blocked(w: World) -> None:
    assert (await block(w, person="rpps:99999999999"))[0] in (404, 422)
    assert (await block(w, person="siilo:nobody"))[1]["code"] == "unknown_recipient"
    assert (await block(w, person="pandalab:cleo"))[1]["code"] == "own_account"
    assert (await w.call("PUT", "/users/nobody/blocked/siilo:dan"))[1]["code"] == "unknown_sender"
    for i in range(2, 7):
        assert (await block(w, person=f"rpps:1000000000{i}"))[0] == (204 if i != 3 else 422)
    found, path = [], "/users/cleo/blocked?limit=2"
    while path:
        page = (await w.call("GET", path))[1]
        found += [one["rpps"] for one in page["items"]]
        path = f"/users/cleo/blocked?limit=2&cursor={page['next']}" if page["next"] else ""
    assert found == [f"1000000000{i}" for i in (2, 4, 5, 6)]
