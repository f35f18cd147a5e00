"""The story that the examples of the contract tell, played against a running hub."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from bridge.networks.connect.contract.examples import Example, examples
from bridge.networks.connect.contract.operations import OPERATIONS
from tests.connect import make
from tests.connect.make import BEN_HANDLE, TOKENS, Json, World, message, time_text

RPPS = {"cleo": "10001002027", "fay": "10001005066", "dan": "10001003040"}
PEOPLE = [
    make.person("10001001014", "Ben Durand", BEN_HANDLE),
    make.person(RPPS["cleo"], "Cléo Petit"),
    make.person(RPPS["dan"], "Dan Moreau"),
    make.person(RPPS["fay"], "Fay Rousseau"),
]
OF = {one.name: one for one in OPERATIONS}
_VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\bf_[A-Za-z0-9_-]{12,}", "<file>"),
    (r"\b(m|c|d|u|test|states)_[0-9a-f]{12,}(-\w+)?", r"<\1>"),
    (r"(liaison|whsec)_[A-Za-z0-9+/=_-]{6,}", r"<\1>"),
    (r"\b(siilo|pandalab)-[0-9a-f]{6,}\b", r"<\1>"),
    (r"REV:[0-9TZ]+|PRODID:.*|UID:.*", "<line>"),
)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """pandalab, which has a log, with fay declared; siilo with dan."""

    def change(section: Json) -> None:
        section["products"]["pandalab"]["events_kept_days"] = 14

    with patch.object(make, "PEOPLE", PEOPLE):
        async with make.running(folder, change) as w:
            for user, token in (("fay", TOKENS["pandalab"]), ("dan", TOKENS["siilo"])):
                assert (await w.call("PUT", f"/users/{user}", {"rpps": RPPS[user]}, token=token))[0] == 200
            yield w


def steady(value: Any) -> Any:
    """A value without what is another one each time."""
    if isinstance(value, dict):
        said = {name: steady(one) for name, one in value.items()}
        return said | {name: f"<{name}>" for name in ("sha256", "next", "order", "accepted_at") if said.get(name)}
    if isinstance(value, list):
        return [steady(one) for one in value]
    if isinstance(value, str):
        for pattern, word in _VOLATILE:
            value = re.sub(pattern, word, value)
    return value


def shape(value: Any) -> Any:
    """The members of a value and their kinds: of what may have gone on, or not yet, when it is asked for."""
    if isinstance(value, dict):
        return {
            name: shape(one) for name, one in sorted(value.items()) if name not in ("data", "reason", "reason_text")
        }
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None if value is None else type(value).__name__


async def _delivered(w: World) -> None:
    for _ in range(3_000):
        status, told = await w.call("GET", "/messages/p-1")
        if status == 200 and told["state"] == "delivered":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(told)


async def _message(w: World, given: Example) -> Json:
    await _delivered(w)
    return {}


async def _receipt(w: World, given: Example) -> Json:
    """dan has answered."""
    await w.until(lambda: w.siilo.arrived("dan"))
    chat = w.siilo.arrived("dan")[0]["conversation"]
    file = {"name": "bilan.txt", "type": "text/plain", "content": "QmlsYW4gbm9ybWFsLgo="}
    said = message("s-1", sender="dan", conversation=chat, text="Bonjour Cléo", to=[], files=[file])
    assert (await w.call("POST", "/messages", said, token=TOKENS["siilo"]))[0] == 202
    await w.until(lambda: w.pandalab.arrived("cleo"))
    return {"body": {**(given.body or {}), "message": w.pandalab.arrived("cleo")[0]["id"], "at": time_text()}}


async def _file(w: World, given: Example) -> Json:
    return {"id": w.pandalab.arrived("cleo")[0]["files"][0]["id"]}


async def _asked(w: World, given: Example) -> Json:
    """cleo asks."""
    poll = {"question": "Quel jour ?", "answers": [{"id": "a", "text": "Mardi"}, {"id": "b", "text": "Jeudi"}]}
    said = message("p-8", conversation="chat-7", text="", to=[], kind="poll", poll=poll)
    assert (await w.call("POST", "/messages", said))[0] == 202
    return {}


async def _contested(w: World, given: Example) -> Json:
    """siilo declares her, too."""
    status, told = await w.call("PUT", "/users/c", {"rpps": RPPS["cleo"]}, token=TOKENS["siilo"])
    assert (status, told["state"]) == (200, "held")
    return {}


async def _replayed(w: World, given: Example) -> Json:
    page = (await w.call("GET", "/events?after=0"))[1]
    return {"id": next(e["webhook-id"] for e in page["events"] if e["type"] == "message.created")}


async def _soon(w: World, given: Example) -> Json:
    return {"body": {"old_until": time_text(datetime.now(UTC) + timedelta(days=7))}}


async def _away(w: World, given: Example) -> Json:
    return {"body": (given.body or {}) | {"until": time_text(datetime.now(UTC) + timedelta(days=14))}}


async def _bound(w: World, given: Example) -> Json:
    """The room has a name."""
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    return {}


BEFORE: dict[str, Callable[[World, Example], Awaitable[Json]]] = {
    "vote": _asked, "message": _message, "receipt": _receipt, "file": _file, "confirm": _contested, "replay": _replayed,
    "rotate_secret": _soon, "be_absent": _away, "history": _bound,
}  # fmt: skip
"""What happens before a request, and what of it is another one each time."""


async def ask(w: World, given: Example, token: str, changed: Json | None = None) -> tuple[int, Any]:
    """Send an example's request."""
    operation, changed = OF[given.operation], changed or {}
    path = operation.path.replace("{id}", changed.get("id") or given.id or "").replace("{person}", given.person or "")
    query = f"?{urlencode(given.query)}" if given.query else ""
    headers, body = {"Authorization": f"Bearer {token}"}, changed.get("body", given.body)
    url = w.url + "/connect/v1" + path + query
    sent = {"data": given.raw.encode()} if given.raw is not None else {"json": body}
    async with w.client.request(operation.method, url, headers=headers | given.headers, **sent) as answer:
        if answer.status == 204:
            return 204, None
        read = answer.json(content_type=None) if "json" in answer.content_type else answer.text()
        return answer.status, await read


async def play(w: World, but: Collection[str] = ()) -> AsyncIterator[tuple[Example, int, Any]]:
    """Every example in its order, with what the hub answers now."""
    for given in (one for name, one in examples().items() if name not in but):
        before = BEFORE.get(given.operation)
        changed = await before(w, given) if before is not None else {}
        yield given, *(await ask(w, given, TOKENS["pandalab"], changed))
