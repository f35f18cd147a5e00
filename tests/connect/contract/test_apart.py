"""Two products cannot touch one another's data: every request of the contract, with the other one's token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.networks.connect.contract.examples import examples
from tests.connect.contract.story import OF, ask, play, steady, world
from tests.connect.make import TOKENS, World, message

MARKER = "marqueur-7f3a"
OTHER = TOKENS["siilo"]
_ANYBODYS = {"health", "people"}  # the directory is the same for all


async def _all_of(w: World) -> Any:
    """Everything that pandalab can see of its own."""
    paths = (
        "/capabilities", "/users", "/users/cleo", "/conversations", "/conversations/chat-9", "/messages/q-1",
        "/conversations/chat-9/messages", "/conversations/chat-9/members", "/credentials",
    )  # fmt: skip
    return {path: (await w.call("GET", path))[1] for path in paths}


async def test_no_request_touches_or_shows_what_is_another_products(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async for _given, _status, _answer in play(w, but={"end_user"}):
            pass  # pandalab has everything that the examples speak of, and dan of siilo is in one conversation of it
        body = message("q-1", conversation="chat-9", text=MARKER, to=["matrix:@ben:chu.example"])
        named = {"name": {"text": MARKER, "about_patient": True}}
        assert (await w.call("POST", "/messages", body | named))[0] == 202  # siilo has nobody there
        await w.until(lambda: [d for d in w.matrix.delivered if d.body.text == MARKER])
        while (await w.call("GET", "/messages/q-1"))[1]["state"] != "delivered":
            pass
        before, own = await _all_of(w), {"abilities", "credentials", "events", "list_users", "list_conversations"}
        for name, given in examples().items():
            if name == "declare":  # siilo may well have a user of this id: it is another one
                continue
            changed = {"body": _theirs(given.body), "id": _theirs(given.id)}
            status, answer = await ask(w, given, OTHER, changed)
            assert MARKER not in str(answer), name
            assert status < 500, (name, answer)
            if "{id}" in OF[name].path:
                assert status in (403, 404, 422), (name, status, answer)
            elif name not in own | _ANYBODYS and given.body is not None and "sender" in given.body:
                assert status in (403, 404), (name, status, answer)
            if status < 300 and name not in _ANYBODYS:
                assert "chat-9" not in str(answer), name
                assert "q-1" not in str(answer), name
        assert steady(await _all_of(w)) == steady(before)


def _theirs(value: Any) -> Any:
    """A part of an example, about a conversation in which siilo has nobody."""
    if isinstance(value, dict):
        return {name: _theirs(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_theirs(one) for one in value]
    if isinstance(value, str):
        return value.replace("chat-7", "chat-9").replace("p-1", "q-1")
    return value
