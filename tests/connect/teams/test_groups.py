"""A product's user leaves a group, and products see what each member may do."""

from __future__ import annotations

import pytest

from tests.connect.make import BEN_HANDLE, CLEO, DAN, FAY, Json, World, message

LEAVE = "/conversations/chat-1/leave"


async def group(w: World) -> None:
    """Cléo and Fay (pandalab), Dan (siilo) and Ben (Matrix)."""
    to = [BEN_HANDLE, "siilo:dan", "pandalab:fay"]
    assert (await w.call("POST", "/messages", message("p-1", to=to)))[0] == 202
    await w.until(lambda: w.siilo.texts("dan"))


def people(members: list[Json]) -> set[str]:
    return {member["rpps"] for member in members}


async def test_a_user_leaves_and_the_others_hear_of_it(w: World) -> None:
    await group(w)
    body = {"id": "l-1", "user": "fay"}
    assert await w.call("POST", LEAVE, body) == (202, {"id": "l-1", "conversation": "chat-1"})
    assert (await w.call("POST", LEAVE, body))[0] == 202  # again
    members = (await w.call("GET", "/conversations/chat-1"))[1]["members"]
    assert FAY not in people(members)
    assert {CLEO, DAN} <= people(members)
    await w.until(lambda: FAY not in people(w.siilo.sim.state.conversations()[0]["members"]))
    assert (await w.call("POST", "/messages", message("p-2", sender="fay", to=[])))[1]["code"] == "not_a_member"
    assert (await w.call("POST", LEAVE, {"id": "l-2", "user": "cleo"}))[0] == 202
    assert (await w.call("POST", LEAVE, {"id": "l-2", "user": "cleo"}))[0] == 202  # nobody of this product is left


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user": "fay", "path": "/conversations/none/leave"}, "unknown_conversation"),
        ({"user": "nobody"}, "unknown_sender"),
        ({"id": "p-1"}, "id_in_use"),
        ({"id": "l-1", "user": "fay"}, "id_in_use"),
        ({"id": "l-3"}, "not_a_member"),
        ({"user": 7}, "invalid"),
    ],
)
async def test_a_leave_that_cannot_be_is_refused_in_words(w: World, change: Json, code: str) -> None:
    await group(w)
    assert (await w.call("POST", LEAVE, {"id": "l-1", "user": "cleo"}))[0] == 202
    path = change.pop("path", LEAVE)
    assert (await w.call("POST", path, {"id": "l-2", "user": "cleo"} | change))[1].get("code") == code


async def test_members_have_a_role_and_what_it_allows(w: World) -> None:
    await group(w)
    members = (await w.call("GET", "/conversations/chat-1"))[1]["members"]
    assert {(m["role"], *m["may"]) for m in members} == {("admin", "add", "remove", "rename")}
    await w.call("POST", LEAVE, {"id": "l-1", "user": "fay"})
    await w.until(lambda: FAY not in people(w.siilo.sim.state.conversations()[0]["members"]))
    assert w.siilo.sim.state.conversations()[0]["members"][0]["role"] == "admin"
