"""Lists go on where they ended, whole and without a repeat, and hold what the product may know."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model import Address, Person
from tests.connect.make import BEN_HANDLE, CLEO, TOKENS, Json, World, message


async def walk(w: World, path: str, limit: int, token: str = TOKENS["pandalab"], **query: str) -> list[Json]:
    """All pages of a list."""
    found, cursor, asked = list[Json](), None, "".join(f"&{name}={value}" for name, value in query.items())
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        status, page = await w.call("GET", f"{path}?limit={limit}{asked}{more}", token=token)
        assert status == 200, page
        assert len(page["items"]) <= limit
        found += page["items"]
        if (cursor := page["next"]) is None:
            return found


async def test_conversations_users_members_and_messages_are_read_through(w: World) -> None:
    for i in range(7):
        body = message(f"m-{i}", conversation=f"chat-{i}", sender="fay" if i == 3 else "cleo", to=["siilo:dan"])
        assert (await w.call("POST", "/messages", body | {"text": f"secret {i}"}))[0] == 202
    await w.until(lambda: len(w.siilo.texts("dan")) == 7)
    assert [one["id"] for one in await walk(w, "/conversations", 3)] == [f"chat-{i}" for i in range(7)]
    assert [one["id"] for one in await walk(w, "/conversations", 2, user="fay")] == ["chat-3"]
    mine = [one["id"] for one in await walk(w, "/conversations", 2, user="cleo")]
    assert mine == [f"chat-{i}" for i in range(7) if i != 3]
    seen = await walk(w, "/conversations", 4, TOKENS["siilo"])
    assert len(seen) == 7
    assert all({m["network"] for m in one["members"]} == {"pandalab", "siilo"} for one in seen)
    assert [one["id"] for one in await walk(w, "/users", 1)] == ["cleo", "fay"]
    assert [one["id"] for one in await walk(w, "/users", 50, TOKENS["siilo"])] == ["dan"]
    members = await walk(w, "/conversations/chat-0/members", 1)
    assert [one["name"] for one in members] == ["Cléo Petit", "Dan Moreau"]


async def test_messages_of_a_conversation_hold_states_and_no_text(w: World) -> None:
    everybody = ["siilo:dan", BEN_HANDLE]
    for i in range(5):
        assert (await w.call("POST", "/messages", message(f"m-{i}", to=everybody, text=f"secret {i}")))[0] == 202
    await w.until(lambda: len(w.siilo.texts("dan")) == 5 and len(w.matrix.delivered) == 5)
    conversation = w.siilo.arrived("dan")[0]["conversation"]
    answer = message("d-1", sender="dan", conversation=conversation, text="secret", to=[])
    assert (await w.call("POST", "/messages", answer, token=TOKENS["siilo"]))[0] == 202
    await w.until(lambda: w.pandalab.texts("cleo"))
    for _ in range(1000):
        said = await walk(w, "/conversations/chat-1/messages", 2)
        if all(one["state"] == "delivered" for one in said):
            break
        await asyncio.sleep(0.01)
    named = w.pandalab.arrived("cleo")[0]["id"]
    assert [one["id"] for one in said] == [named, "m-4", "m-3", "m-2", "m-1", "m-0"]
    assert [one["own"] for one in said] == [False] + [True] * 5
    assert [len(one["recipients"]) for one in said] == [1] + [2] * 5  # of a colleague's elsewhere: one's own users only
    assert said == sorted(said, key=lambda one: -one["order"])
    assert "secret" not in str(said)
    theirs = await walk(w, f"/conversations/{conversation}/messages", 4, TOKENS["siilo"])
    assert [{one["person"] for one in said["recipients"]} for said in theirs if not said["own"]] == [
        {"rpps:10000000004"}
    ] * 5


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=é", "cursor=AA", "cursor=%00", "cursor=", "cursor=YQ=="]
)
async def test_what_is_no_cursor_is_refused(w: World, query: str) -> None:
    await w.call("POST", "/messages", message("m-1", to=["siilo:dan"]))
    for path in ("/conversations", "/conversations/chat-1/messages", "/users"):
        status, problem = await w.call("GET", f"{path}?{query}")
        assert (status, problem["field"]) == (422, query.partition("=")[0]), path
    status, problem = await w.call("GET", "/conversations?user=nobody")
    assert (status, problem["code"]) == (403, "unknown_sender")


async def test_a_page_costs_the_same_however_many_there_are(w: World) -> None:
    """Counted, not timed: statements of one page with 10 and with 400 conversations and messages."""
    store = w.hub._store

    async def fill(first: int, last: int) -> None:
        async with store.db.transaction("test") as tx:
            for i in range(first, last):
                ident = f"c_{i:04}"
                await store.create_conversation(tx, ident, "pandalab", f"chat-{i:04}", i)
                member = Address("pandalab", "cleo")
                await tx.run("store.add_member", ident, f"rpps:{CLEO}", member.network, member.id, i)

    async def cost(path: str) -> int:
        await w.call("GET", path)
        before = store.db.counts.copy()
        assert (await w.call("GET", path))[0] == 200
        return store.db.counts.since(before).statements.total()

    await fill(0, 10)
    paths = ("/conversations?limit=5", "/conversations?limit=5&user=cleo", "/users?limit=5")
    few = [await cost(path) for path in paths]
    await fill(10, 400)
    assert [await cost(path) for path in paths] == few
    assert isinstance(await w.hub._people.get(f"rpps:{CLEO}"), Person)
    assert len(await walk(w, "/conversations", 200)) == 400


async def test_what_was_said_is_read_again_from_the_room_only(w: World) -> None:
    for n in (1, 2, 3):
        body = message(f"m-{n}", text=f"texte {n}", to=[BEN_HANDLE, "siilo:dan"] if n == 1 else [])
        assert (await w.call("POST", "/messages", body))[0] == 202
    await w.until(lambda: len(w.matrix.delivered) == 3)
    path = "/conversations/chat-1/history"
    status, problem = await w.call("GET", f"{path}?user=cleo")
    assert (status, problem["code"]) == (404, "no_history")
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    found, place = [], f"{path}?user=cleo&limit=2"
    while place:
        status, page = await w.call("GET", place)
        assert status == 200, page
        found += page["items"]
        place = f"{path}?user=cleo&limit=2&cursor={page['next']}" if page["next"] else ""
    assert [(one["id"], one["text"], one["readable"]) for one in found] == [
        (f"m-{n}", f"texte {n}", True) for n in (3, 2, 1)
    ]
    assert {one["sender"]["name"] for one in found} == {"Cléo Petit"}
    for query, answer in (
        ("user=fay", (403, "not_a_member")), ("user=nobody", (403, "unknown_sender")), ("", (422, "invalid")),
        ("user=cleo&limit=51", (422, "invalid")), ("user=cleo&cursor=%C3%A9", (422, "unknown_cursor")),
    ):  # fmt: skip
        status, problem = await w.call("GET", f"{path}?{query}")
        assert (status, problem["code"]) == answer, query
    assert (await w.call("GET", "/conversations/other/history?user=cleo"))[0] == 404
    chat = w.siilo.arrived("dan")[0]["conversation"]
    _, page = await w.call("GET", f"/conversations/{chat}/history?user=dan", token=TOKENS["siilo"])
    assert [one["text"] for one in page["items"]] == ["texte 3", "texte 2", "texte 1"]
    assert page["items"][0]["id"] != "m-3"  # each product has its own name of it
    noted = [row["kind"] for row in await w.hub._store.db.all("trail.next", 100)]
    assert noted.count("export") == 3  # pages that were given
