"""Stories of people in different products, with everything real but Matrix: the hub, the API, webhooks, simulators."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from bridge.model import Address, GroupName, Ref, State
from deploy.world.simulator import Faults
from tests.connect import make
from tests.connect.make import ANNA, BEN, BEN_HANDLE, DAN, GUS, TOKENS, Json, World


async def test_one_product_writes_to_another_and_back(w: World) -> None:
    ident, conversation, _ = w.pandalab.sim.write("cleo", {"text": "Bonjour Dan", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    [got] = w.siilo.arrived("dan")
    assert (got["text"], got["kind"], got["recipients"]) == ("Bonjour Dan", "text", ["dan"])
    assert (got["sender"]["name"], got["sender"]["listed"]) == ("Cléo Petit", True)
    w.siilo.sim.write("dan", {"text": "Bonjour Cléo", "conversation": got["conversation"], "reply_to": got["id"]})
    await w.until(lambda: w.pandalab.texts("cleo"))
    [answer] = w.pandalab.arrived("cleo")
    assert (answer["conversation"], answer["reply_to"]) == (conversation, ident)
    await w.until(lambda: w.pandalab.states() == {"Bonjour Dan": "delivered"})
    [sent] = w.pandalab.sim.state.messages("cleo")["sent"]
    assert [(o["name"], o["state"]) for o in sent["outcome"]] == [("Dan Moreau", "delivered")]


async def test_a_reader_is_seen_by_the_sender(w: World) -> None:
    w.pandalab.sim.write("cleo", {"text": "Vu ?", "to": [f"rpps:{DAN}"]})
    await w.until(lambda: w.siilo.texts("dan"))
    w.siilo.sim.read("dan", w.siilo.arrived()[0]["id"])
    await w.until(lambda: w.pandalab.states() == {"Vu ?": "read"})


async def test_the_edge_reads_and_types_for_its_own_users(w: World) -> None:
    _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "Bonjour", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    assert await w.pandalab.sim.type("cleo", conversation, True) == 204
    await w.until(lambda: w.siilo.sim.typing)
    assert w.siilo.sim.typing[0]["person"]["name"] == "Cléo Petit"
    assert w.siilo.sim.typing[0]["conversation"] == w.siilo.arrived()[0]["conversation"]


async def test_matrix_writes_to_a_product(w: World) -> None:
    _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "Bonjour Ben", "to": [BEN_HANDLE]})
    await w.until(lambda: w.matrix.delivered)
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    await w.matrix.write("$1", "!room", "@ben:chu.example", "Bonjour Cléo", reply_to="matrix-1")
    await w.until(lambda: w.pandalab.texts("cleo"))
    got = w.pandalab.arrived("cleo")[0]
    assert got["conversation"] == conversation
    assert got["sender"]["rpps"] == BEN
    assert {m["network"] for m in w.pandalab.sim.state.conversations()[0]["members"]} == {"pandalab", "matrix"}
    await w.until(lambda: w.matrix.told)
    [state] = w.matrix.told[-1].states
    assert (w.matrix.told[-1].ref, state.state) == (Ref("matrix", "$1"), State.DELIVERED)


async def test_members_come_and_go(w: World) -> None:
    _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "À deux", "to": [BEN_HANDLE]})
    await w.until(lambda: w.matrix.delivered)
    w.pandalab.sim.change_members(conversation, {"by": "cleo", "add": ["siilo:dan"]})
    w.pandalab.sim.write("cleo", {"text": "À trois", "conversation": conversation})
    await w.until(lambda: w.siilo.texts("dan") == ["À trois"])
    names = {m["name"] for m in w.siilo.sim.state.conversations()[0]["members"]}
    assert names == {"Ben Durand", "Cléo Petit", "Dan Moreau"}
    w.pandalab.sim.change_members(conversation, {"by": "cleo", "remove": [f"rpps:{DAN}"]})
    w.pandalab.sim.write("cleo", {"text": "Sans Dan", "conversation": conversation})
    await w.until(lambda: [d.body.text for d in w.matrix.delivered if d.body.text][-1] == "Sans Dan")
    await asyncio.sleep(0.1)
    assert w.siilo.texts("dan") == ["À trois"]


async def test_a_conversation_has_one_name_in_every_product(w: World) -> None:
    name = {"text": "RCP thorax", "about_patient": False}
    ident, conversation, _ = w.pandalab.sim.write(
        "cleo", {"text": "Bonjour", "to": ["siilo:dan", BEN_HANDLE], "name": name}
    )
    await w.until(lambda: w.siilo.texts("dan") and w.matrix.delivered)
    await w.hub.bind(w.matrix.delivered[0].conversation, "matrix", "!room")
    assert w.siilo.arrived("dan")[0]["name"] == name
    theirs = w.siilo.arrived("dan")[0]["conversation"]
    patient = {"text": "Mme Perrot", "about_patient": True}
    w.siilo.sim.rename(theirs, {"by": "dan", "name": patient})
    await w.until(lambda: [d.name for d in w.matrix.delivered][1:] == [GroupName("Mme Perrot", True)])
    await w.until(lambda: [c.get("name") for c in w.pandalab.sim.state.conversations()] == [patient])
    assert (await w.call("GET", f"/conversations/{conversation}"))[1]["name"] == patient
    ben = Address("matrix", "@ben:chu.example")
    await w.hub.rename(Ref("matrix", "$n"), "!room", ben, GroupName("Équipe"))
    plain = {"text": "Équipe", "about_patient": False}
    for one in (w.siilo, w.pandalab):
        await w.until(lambda one=one: one.sim.state.conversations()[-1]["name"] == plain)  # type: ignore[misc]
    w.pandalab.sim.rename(conversation, {"by": "cleo", "name": None})
    await w.until(lambda: w.siilo.sim.state.conversations()[-1]["name"] is None)
    assert (await w.call("GET", f"/conversations/{conversation}"))[1]["name"] is None
    status, problem = await w.call("GET", f"/messages/{ident}")
    assert (status, problem["state"]) == (200, "delivered")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": {"text": "RCP"}}, "invalid"),
        ({"name": {"text": " ", "about_patient": False}}, "invalid"),
        ({"name": {"text": "a\nb", "about_patient": False}}, "invalid"),
        ({"name": {"text": "x" * 256, "about_patient": False}}, "invalid"),
        ({"by": "fay"}, "not_a_member"),
        ({"by": "nobody"}, "unknown_sender"),
        ({"path": "/conversations/none/name"}, "unknown_conversation"),
        ({"id": "p-1"}, "id_in_use"),
    ],
)
async def test_a_name_that_cannot_be_given_is_refused_by_field(w: World, change: Json, code: str) -> None:
    await w.call("POST", "/messages", make.message("p-1"))
    path = change.pop("path", "/conversations/chat-1/name")
    good = {"id": "n-1", "by": "cleo", "name": {"text": "RCP", "about_patient": False}}
    assert (await w.call("POST", path, good | change))[1].get("code") == code
    assert (await w.call("POST", "/conversations/chat-1/name", good))[0] == 202
    assert (await w.call("POST", "/conversations/chat-1/name", good))[0] == 202  # again
    assert (await w.call("POST", "/conversations/chat-1/name", good | {"name": None}))[1]["code"] == "id_in_use"


async def test_a_user_who_becomes_somebody_else_gets_nothing_of_the_former_one(w: World) -> None:
    assert (await w.call("PUT", "/users/z", {"rpps": GUS}, token=TOKENS["siilo"]))[0] == 200
    _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "Pour Gus", "to": ["siilo:z", BEN_HANDLE]})
    await w.until(lambda: w.siilo.texts("z") == ["Pour Gus"])
    w.siilo.sim.set_faults(Faults(down=True))
    w.pandalab.sim.write("cleo", {"text": "Attend", "conversation": conversation})
    await w.until(lambda: w.pandalab.states().get("Attend") == "accepted")
    status, now = await w.call("PUT", "/users/z", {"rpps": ANNA}, token=TOKENS["siilo"])
    assert (status, now["name"]) == (200, "Anna Martin")
    w.siilo.sim.set_faults(Faults())
    w.pandalab.sim.write("cleo", {"text": "Sans Gus", "conversation": conversation})
    await w.until(lambda: [d.body.text for d in w.matrix.delivered if d.body.text][-1] == "Sans Gus")
    _, chat = await w.call("GET", f"/conversations/{conversation}")
    assert {m["name"] for m in chat["members"]} == {"Cléo Petit", "Ben Durand"}
    await asyncio.sleep(0.3)
    assert w.siilo.texts("z") == ["Pour Gus"]


async def test_a_product_that_refuses_is_told_to_the_sender(w: World) -> None:
    w.siilo.sim.set_faults(Faults(refuse=True))
    w.pandalab.sim.write("cleo", {"text": "Bonjour", "to": ["siilo:dan"]})
    await w.until(lambda: w.pandalab.states() == {"Bonjour": "refused"})
    [outcome] = w.pandalab.sim.state.messages()["sent"][0]["outcome"]
    assert outcome["reason"] == "product_refused"
    assert outcome["reason_text"]["fr"]
    assert outcome["reason_text"]["en"]


def _write_many(w: World, count: int) -> list[str]:
    _, conversation, _ = w.pandalab.sim.write("cleo", {"text": "0", "to": ["siilo:dan"]})
    for n in range(1, count):
        w.pandalab.sim.write("cleo", {"text": str(n), "conversation": conversation})
    return [str(n) for n in range(count)]


async def _all_arrive_once(w: World, texts: list[str]) -> None:
    await w.until(lambda: len(w.siilo.texts("dan")) >= len(texts))
    await asyncio.sleep(0.1)
    assert w.siilo.texts("dan") == texts


async def test_a_product_that_was_down_loses_nothing(w: World) -> None:
    w.siilo.sim.set_faults(Faults(down=True))
    texts = _write_many(w, 10)
    await w.until(lambda: len(w.siilo.sim.state.events()["events"]) >= 3)
    assert w.siilo.texts() == []
    w.siilo.sim.set_faults(Faults())
    await _all_arrive_once(w, texts)


async def test_who_writes_to_a_product_that_is_down_is_told_so(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = dataclasses.replace(make.PATIENCE, late=0.2)
    await w.stop_hub()
    monkeypatch.setattr(make, "PATIENCE", patience)
    await w.start_hub()
    w.siilo.sim.set_faults(Faults(down=True))
    w.pandalab.sim.write("cleo", {"text": "Bonjour", "to": ["siilo:dan"]})

    def outcome() -> list[Json]:
        found: list[Json] = w.pandalab.sim.state.messages()["sent"][0].get("outcome") or []
        return found

    await w.until(lambda: [one["reason"] for one in outcome()] == ["late"])
    assert outcome()[0]["state"] == "accepted"
    assert "appelez" in outcome()[0]["reason_text"]["fr"]
    w.siilo.sim.set_faults(Faults())
    await w.until(lambda: [(one["state"], one["reason"]) for one in outcome()] == [("delivered", None)])


async def test_a_product_that_answers_5xx_half_the_time(w: World) -> None:
    w.siilo.sim.set_faults(Faults(status_5xx=0.5))
    await _all_arrive_once(w, _write_many(w, 20))


async def test_lost_answers_make_repeats_but_no_second_message(w: World) -> None:
    w.siilo.sim.set_faults(Faults(lose_answer=0.5))
    await _all_arrive_once(w, _write_many(w, 20))
    assert w.siilo.sim.state.events()["repeats"] > 0
    w.siilo.sim.set_faults(Faults())
    await w.until(lambda: set(w.pandalab.states().values()) == {"delivered"})


async def test_a_product_that_sends_everything_twice(w: World) -> None:
    w.pandalab.sim.set_faults(Faults(duplicate=True))
    await _all_arrive_once(w, _write_many(w, 10))
    posts = [p for p in w.pandalab.sim.state.posts() if p["path"] == "/messages"]
    assert [p["differing"] for p in posts] == [False] * 10


async def test_a_product_that_answers_every_message_with_one_id(w: World) -> None:
    w.siilo.sim.set_faults(Faults(same_id=True))
    await _all_arrive_once(w, _write_many(w, 5))
    await w.until(lambda: set(w.pandalab.states().values()) == {"delivered"})


async def test_answers_that_overtake_each_other(w: World) -> None:
    w.siilo.sim.set_faults(Faults(reorder=True))
    for n in range(8):  # eight conversations, two messages each: order holds inside each
        _, conversation, _ = w.pandalab.sim.write("cleo", {"text": f"{n}a", "to": ["siilo:dan"]})
        w.pandalab.sim.write("cleo", {"text": f"{n}b", "conversation": conversation})
    await w.until(lambda: len(w.siilo.texts("dan")) == 16)
    by_conversation: dict[str, list[Json]] = {}
    for got in w.siilo.arrived("dan"):
        by_conversation.setdefault(got["conversation"], []).append(got)
    for both in by_conversation.values():
        assert [m["text"][1] for m in both] == ["a", "b"]
        assert both[0]["order"] < both[1]["order"]


async def test_a_slow_product_holds_up_nobody_else(w: World) -> None:
    w.siilo.sim.set_faults(Faults(slow_ms=600_000))
    w.pandalab.sim.write("cleo", {"text": "Lent", "to": ["siilo:dan"]})
    w.pandalab.sim.write("cleo", {"text": "Vite", "to": [BEN_HANDLE]})
    await w.until(lambda: [d.body.text for d in w.matrix.delivered] == ["Vite"])
    assert w.siilo.texts() == []
    w.siilo.sim.set_faults(Faults())
    await w.until(lambda: w.siilo.texts() == ["Lent"])


async def test_the_product_is_restarted(w: World) -> None:
    texts = _write_many(w, 10)
    await w.until(lambda: len(w.siilo.texts()) >= 2)
    await w.siilo.stop()
    await asyncio.sleep(0.2)
    await w.siilo.start(w.url)
    await _all_arrive_once(w, texts)


async def test_the_hub_is_restarted(w: World) -> None:
    texts = _write_many(w, 10)
    await w.until(lambda: w.siilo.texts())
    await w.stop_hub()
    await asyncio.sleep(0.2)
    await w.start_hub()
    await _all_arrive_once(w, texts)
    await w.until(lambda: set(w.pandalab.states().values()) == {"delivered"})
