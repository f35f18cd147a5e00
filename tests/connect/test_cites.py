"""What a message answers: the hub has it, may hear of it in a moment, or never had it."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model import Ref
from bridge.networks.connect.calls import call
from tests.connect.make import TOKENS, World, message

SIILO = TOKENS["siilo"]
FIELDS = ["reply_to", "thread"]


@pytest.mark.parametrize("field", FIELDS)
async def test_what_the_hub_never_had_is_refused(w: World, field: str) -> None:
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    for cited in ("never", "s-1"):  # another product's id names nothing
        status, problem = await w.call("POST", "/messages", message("p-1", **{field: cited}))
        assert (status, problem["code"], problem["field"]) == (404, "unknown_message", field)
    assert (await w.call("POST", "/messages", message("p-1")))[0] == 202  # its id stayed free


async def test_a_sender_whom_nobody_knows_learns_nothing_of_messages(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "WAIT", 600)  # the answer does not wait for the message that is cited
    _, problem = await w.call("POST", "/messages", message("p-1", sender="nobody", reply_to="never"))
    assert (problem["code"], problem["field"]) == ("unknown_sender", "sender")


@pytest.mark.parametrize("field", FIELDS)
async def test_what_is_handed_in_together_may_come_in_any_order(w: World, field: str) -> None:
    answer = asyncio.create_task(w.call("POST", "/messages", message("p-2", **{field: "p-1"})))
    await asyncio.sleep(0.1)
    assert (await w.call("POST", "/messages", message("p-1")))[0] == 202
    assert (await answer)[0] == 202
    await w.until(lambda: len(w.matrix.delivered) == 2)
    shown = w.matrix.delivered[1]
    assert (shown.reply_to if field == "reply_to" else shown.thread) == Ref("matrix", "matrix-1")


async def test_what_was_shown_a_moment_ago_is_asked_for_again(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "WAIT", 0.01)
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    await w.until(lambda: w.pandalab.texts("cleo"))
    chat = w.pandalab.arrived("cleo")[0]["conversation"]
    await w.pandalab.stop()  # what it answers to the next one is not heard
    await w.call("POST", "/messages", message("s-2", sender="dan"), token=SIILO)
    status, _ = await w.call("POST", "/messages", message("p-1", conversation=chat, to=[], reply_to="shown"))
    assert (status, "Retry-After" in w.headers) == (503, True)
