"""The end of a user: conversations are left, others told, nothing kept but the trace; a crash changes nothing."""

from __future__ import annotations

import asyncio

from tests.connect.make import BEN_HANDLE, CLEO, TOKENS, Json, World, message


async def ended(w: World, user: str = "cleo") -> Json:
    """Until it is done; what is said then."""
    for _ in range(1_000):
        status, told = await w.call("DELETE", f"/users/{user}")
        assert status == 202, told
        if told["state"] == "ended":
            return told
        await asyncio.sleep(0.01)
    raise AssertionError(told)


async def conversations(w: World) -> None:
    """cleo has two, one of them with fay, too."""
    for chat, to in (("chat-1", ["siilo:dan", BEN_HANDLE, "pandalab:fay"]), ("chat-2", ["siilo:dan"])):
        body = message(f"{chat}-1", conversation=chat, to=to)
        assert (await w.call("POST", "/messages", body))[0] == 202
    await w.until(lambda: len(w.siilo.texts("dan")) == 2 and w.matrix.delivered)


async def names(w: World) -> list[set[str]]:
    """Who is in dan's conversations, as his product knows it."""
    _, page = await w.call("GET", "/conversations", token=TOKENS["siilo"])
    return [{m["name"] for m in one["members"]} for one in page["items"]]


async def test_a_user_who_is_gone_leaves_every_conversation_and_is_forgotten(w: World) -> None:
    await conversations(w)
    db, now = w.hub._store.db, int(w.clock() * 1000)
    assert (await w.call("PUT", "/users/cleo", {"rpps": CLEO, "language": "en"}))[0] == 200
    assert (await w.call("PUT", "/users/cleo/blocked/siilo:dan"))[0] == 204
    row = ("c", "chat-1", "cleo", "edit", b"", now, now, now + 600_000)
    async with db.transaction("test") as tx:
        for network, ident in (("pandalab", "e-1"), ("siilo", "e-1")):
            await tx.run("early.add", network, ident, "never", *row)
        await tx.run("store.has_read", "gone-before", f"rpps:{CLEO}", "pandalab", 7)
    _, export = await w.call("GET", "/users/cleo/export")
    assert {one["id"] for one in export["conversations"]} == {"chat-1", "chat-2"}
    assert (export["user"]["rpps"], export["next"]) == (CLEO, None)
    first = await ended(w)
    assert await ended(w) == first  # again is the same
    assert sorted(map(sorted, await names(w))) == [["Ben Durand", "Dan Moreau", "Fay Roux"], ["Dan Moreau"]]
    await w.until(
        lambda: all("Cléo Petit" not in {m["name"] for m in c["members"]} for c in w.siilo.sim.state.conversations())
    )
    assert (await w.call("GET", "/users/cleo"))[0] == 404
    assert [one["id"] for one in (await w.call("GET", "/users"))[1]["items"]] == ["fay"]
    assert (await w.call("GET", "/users/cleo/export"))[0] == 404
    status, problem = await w.call("POST", "/messages", message("m-9", to=["siilo:dan"]))
    assert (status, problem["code"]) == (403, "account_revoked")
    _, told = await w.call("GET", "/messages/chat-2-1")  # the trace stays
    assert (told["sender"], told["state"]) == ("cleo", "delivered")
    assert [r["network"] for r in await db.all("early.all", "", "", 10)] == ["siilo"]
    assert await db.all("language.all", "", 10) == []
    assert [r["kind"] for r in await db.all("trail.next", 100)].count("erasure") == 1
    assert await db.all("connect_users.blocked_by", "pandalab", "cleo", "", 10) == []
    assert await db.all("lists.accounts", "pandalab", "", 10) == await db.all("lists.accounts", "pandalab", "d", 10)
    assert (await w.call("DELETE", "/users/nobody"))[1]["code"] == "unknown_user"
    await w.until(lambda: [e for e in w.pandalab.sim.state.events()["events"] if e["type"] == "user.revoked"])


async def test_what_waits_for_a_user_who_is_gone_is_refused_in_words(w: World) -> None:
    await conversations(w)
    chat = w.siilo.arrived("dan")[1]["conversation"]
    await w.pandalab.stop()
    body = message("s-1", sender="dan", conversation=chat, to=[])
    assert (await w.call("POST", "/messages", body, token=TOKENS["siilo"]))[0] == 202
    await ended(w)
    for _ in range(1_000):
        _, told = await w.call("GET", "/messages/s-1", token=TOKENS["siilo"])
        if told["state"] == "refused":
            break
        await asyncio.sleep(0.01)
    assert told["state"] == "refused"
    assert told["recipients"][0]["reason"] in ("left_before", "not_reachable")


async def test_a_crash_in_the_middle_is_gone_on_with(w: World) -> None:
    await conversations(w)
    db, now = w.hub._store.db, int(w.clock() * 1000)
    async with db.transaction("test") as tx:  # written down, and not yet done
        await tx.run("connect_users.end", "pandalab", "cleo", f"rpps:{CLEO}", now)
    status, _ = await w.call("PUT", "/users/cleo", {"rpps": CLEO})
    assert status == 503  # first things first
    left = {"id": "x-1", "by": "cleo", "remove": [f"rpps:{CLEO}"]}
    assert (await w.call("POST", "/conversations/chat-2/members", left))[0] == 202  # half of it
    await w.stop_hub()
    await w.start_hub()
    await ended(w)
    assert sorted(map(sorted, await names(w))) == [["Ben Durand", "Dan Moreau", "Fay Roux"], ["Dan Moreau"]]


async def test_somebody_who_comes_back_begins_anew(w: World) -> None:
    await conversations(w)
    await ended(w)
    status, user = await w.call("PUT", "/users/cleo", {"rpps": CLEO})
    assert (status, user["state"]) == (200, "active")
    assert (await w.call("GET", "/conversations?user=cleo"))[1]["items"] == []
    assert (await w.call("POST", "/messages", message("m-9", conversation="chat-9", to=["siilo:dan"])))[0] == 202
    await w.until(lambda: len(w.siilo.texts("dan")) == 3)
    second = await ended(w)
    assert second["state"] == "ended"
    assert (await w.call("GET", "/users/cleo"))[0] == 404
