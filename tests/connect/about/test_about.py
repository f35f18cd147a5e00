"""Corrected, taken back, reacted to: between products that can, with those that cannot, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE
from bridge.model import Kind, Ref
from bridge.networks.connect.abilities import Abilities, able
from bridge.networks.connect.settings import CapabilitiesSettings
from deploy.world.simulator import Simulator
from tests.connect.make import BEN_HANDLE, TOKENS, Json, World, message, time_text

SIILO = TOKENS["siilo"]
ALL = ("edit", "removal", "reaction")


def about(ident: str, **more: Any) -> Json:
    """A body for what cleo does to a message of chat-1."""
    return {"id": ident, "conversation": "chat-1", "sender": "cleo", "sent_at": time_text()} | more


async def declared(sim: Simulator, *kinds: str) -> None:
    """The product has said what it is able to, and the hub has taken it."""
    post = await sim.outbox.wait(sim.able(*kinds), 20)
    assert post["status"] == 200


async def talking(w: World) -> tuple[str, Json]:
    """Both products can do everything; cleo has written to dan. Her id of it, and what he has."""
    await declared(w.pandalab.sim, *ALL)
    await declared(w.siilo.sim, *ALL)
    ident, _, _ = w.pandalab.sim.write("cleo", {"text": "Potassium 5,9", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    return ident, w.siilo.arrived("dan")[0]


async def test_everything_that_is_done_to_a_message_shows_in_the_other_product(w: World) -> None:
    ident, got = await talking(w)

    def shown() -> Json:
        found = w.siilo.sim.state.message(got["id"])
        assert found is not None
        return found

    w.siilo.sim.act("dan", "reactions", got["id"], {"key": "👍"})
    mine = w.pandalab.sim.state
    await w.until(lambda: bool((mine.message(ident) or {}).get("reactions")))
    [reaction] = (mine.message(ident) or {})["reactions"]
    assert (reaction["key"], reaction["by"][:5]) == ("👍", "rpps:")
    thumb = w.siilo.sim.state.messages("dan")["sent"][0]["id"]
    w.siilo.sim.act("dan", "removals", thumb, {})
    await w.until(lambda: not (mine.message(ident) or {})["reactions"])
    w.pandalab.sim.act("cleo", "edits", ident, {"text": "Potassium 3,9"})
    await w.until(lambda: shown()["text"] == "Potassium 3,9")
    w.pandalab.sim.act("cleo", "edits", ident, {"text": "Potassium 4,0"})
    await w.until(lambda: shown()["edited"] == 2)
    w.pandalab.sim.act("cleo", "removals", ident, {})
    await w.until(lambda: bool(shown().get("removed")))
    assert shown()["text"] == ""
    assert w.siilo.texts("dan") == [""]  # one message, whatever was done to it


async def test_a_correction_has_states_of_its_own(w: World) -> None:
    ident, _ = await talking(w)
    fix, _ = w.pandalab.sim.act("cleo", "edits", ident, {"text": "Corrigé"})

    def told() -> list[str]:
        events = w.pandalab.sim.state.events()["events"]
        states = [m for e in events if e["type"] == "message.state" for m in e["body"]["data"]["messages"]]
        return [one["state"] for one in states if one["id"] == fix]

    await w.until(lambda: "delivered" in told())
    assert (await w.call("GET", f"/messages/{fix}"))[1]["state"] == "delivered"


async def test_a_product_that_declared_nothing_gets_words(w: World) -> None:
    """A reaction is no answer to anybody there: its writer is told that nobody sees it."""
    await w.call("POST", "/messages", message("p-1", to=["siilo:dan"]))
    await w.until(lambda: w.siilo.texts("dan"))
    status, problem = await w.call("POST", "/messages/p-1/reactions", about("p-r", key="👍"))
    assert (status, problem["code"]) == (422, "reaction_not_carried")
    for path, body in (("edits", {"text": "x"}), ("removals", {})):
        assert (await w.call("POST", f"/messages/p-1/{path}", about(f"p-{path}", **body)))[0] == 202
    await w.until(lambda: len(w.siilo.texts("dan")) == 3)
    _, edit, removal = w.siilo.texts("dan")
    assert edit.startswith("✏️ corrige le message de ")
    assert edit.endswith(" :\nx")
    assert removal.startswith("🗑️ a retiré son message de ")
    assert {e["type"] for e in w.siilo.sim.state.events()["events"] if e["type"]} == {"message.created"}
    for _ in range(1000):
        _, state = await w.call("GET", "/messages/p-removals")
        if state["recipients"][0]["state"] != "accepted":
            break
        await asyncio.sleep(0.01)
    assert [one["reason"] for one in state["recipients"]] == ["removal_said"]


async def test_a_matrix_leg_gets_it_as_what_it_is(w: World) -> None:
    await w.call("POST", "/messages", message("p-1"))
    await w.until(lambda: w.matrix.delivered)
    assert (await w.call("POST", "/messages/p-1/edits", about("p-2", text="Corrigé")))[0] == 202
    assert (await w.call("POST", "/messages/p-1/removals", about("p-3")))[0] == 202
    await w.until(lambda: len(w.matrix.delivered) == 3)
    assert [(d.kind, d.reply_to) for d in w.matrix.delivered[1:]] == [
        (Kind.EDIT, Ref("matrix", "matrix-1")), (Kind.REMOVAL, Ref("matrix", "matrix-1")),
    ]  # fmt: skip


REFUSED: list[tuple[str, Json, tuple[int, str]]] = [
    ("never/edits", {"text": "x", "conversation": "nowhere"}, (404, "unknown_conversation")),
    ("p-1/edits", {"text": " \n"}, (422, "empty")),
    ("p-1/edits", {"text": "x" * 170_000}, (422, "too_long")),
    ("p-1/edits", {}, (422, "invalid")),
    ("p-1/edits", {"text": "x", "sender": "fay"}, (422, "edit_not_carried")),  # not hers
    ("p-1/edits", {"text": "x", "sender": "nobody"}, (403, "unknown_sender")),
    ("p-1/edits", {"text": "x", "sent_at": "2999-01-01T00:00:00Z"}, (422, "sent_in_future")),
    ("p-1/removals", {"text": "x"}, (422, "invalid")),
    ("p-1/reactions", {"key": ""}, (422, "invalid")),
    ("p-1/reactions", {"key": "  "}, (422, "empty")),
    ("p-1/reactions", {"key": "👍" * 65}, (422, "invalid")),
    ("p-file/edits", {"text": "x"}, (422, "edit_not_carried")),  # documents only: a text would hide them
]


async def test_what_comes_before_its_message_is_taken_and_applied(w: World) -> None:
    await w.call("POST", "/messages", message("p-0", to=["siilo:dan"]))
    status, answer = await w.call("POST", "/messages/p-1/edits", about("p-2", text="Potassium 3,9"))
    assert (status, answer["state"]) == (202, "accepted")
    assert (await w.call("GET", "/messages/p-2"))[1]["state"] == "accepted"
    await w.call("POST", "/messages/s-1/removals", about("p-3"))  # another product's id is nobody's here
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    await w.call("POST", "/messages", message("p-1", text="Potassium 5,9"))
    await w.until(lambda: "Potassium 3,9" in w.siilo.texts("dan"))
    assert "Potassium 5,9" not in w.siilo.texts("dan")
    await w.until(lambda: w.pandalab.texts("cleo"))


async def test_what_is_refused(w: World) -> None:
    await declared(w.siilo.sim, *ALL)
    await w.call("POST", "/messages", message("s-1", sender="dan", to=["pandalab:cleo"]), token=SIILO)
    files = [{"name": "a.pdf", "type": "application/pdf", "content": "JVBERi0="}]
    sent: tuple[tuple[str, Json], ...] = ("p-1", {}), ("p-file", {"text": "", "files": files})
    for ident, more in sent:
        assert (await w.call("POST", "/messages", message(ident, to=["siilo:dan", "pandalab:fay"], **more)))[0] == 202
    for path, body, expected in REFUSED:
        status, problem = await w.call("POST", f"/messages/{path}", about("p-9", **body))
        assert (status, problem["code"]) == expected, path
    assert (await w.call("POST", "/messages/p-1/edits", about("p-9", text="libre")))[0] == 202  # its id stayed free


async def test_the_same_id_twice_is_one_and_with_other_words_refused(w: World) -> None:
    ident, got = await talking(w)
    chat = w.pandalab.sim.state.messages("cleo")["sent"][0]["conversation"]
    first, path = about("p-9", conversation=chat, text="Corrigé"), f"/messages/{ident}/edits"
    answers = [await w.call("POST", path, first) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await w.call("POST", path, first | {"text": "Autre"}))[1]["code"] == "id_in_use"
    await w.until(lambda: (w.siilo.sim.state.message(got["id"]) or {})["text"] == "Corrigé")
    assert (w.siilo.sim.state.message(got["id"]) or {})["edited"] == 1


async def test_what_is_declared_survives_and_shows_in_conversations(w: World) -> None:
    status, before = await w.call("GET", "/capabilities", token=SIILO)
    assert (status, before["kinds"], before["version"]) == (200, [], None)
    said = {"version": "4.2", "kinds": ["reaction"], "html": False}
    status, after = await w.call("PUT", "/capabilities", said, token=SIILO)
    assert (status, after["kinds"], after["version"], after["html"]) == (200, ["reaction"], "4.2", False)
    await w.call("POST", "/messages", message("p-1", to=["siilo:dan"]))
    await w.stop_hub()
    await w.start_hub()
    assert (await w.call("GET", "/capabilities", token=SIILO))[1] == after
    carried = (await w.call("GET", "/conversations/chat-1"))[1]["carried"]
    assert (carried["kinds"], carried["files"]) == (["reaction"], True)
    assert (await w.call("POST", "/messages/p-1/reactions", about("p-2", key="👍")))[0] == 202
    await w.call("PUT", "/capabilities", {}, token=SIILO)  # the next version can no more
    assert (await w.call("GET", "/conversations/chat-1"))[1]["carried"]["kinds"] == []


async def test_a_mixed_conversation_offers_what_reaches_anybody(w: World) -> None:
    await w.call("POST", "/messages", message("p-1", to=["siilo:dan", BEN_HANDLE]))
    carried = (await w.call("GET", "/conversations/chat-1"))[1]["carried"]
    assert carried["kinds"] == sorted(carried["kinds"], key=ALL.index)
    assert carried["max_text"] > 0


def test_what_the_operator_fixes_no_product_changes() -> None:
    profile = Capabilities(html=False, max_text=1000)
    said = Abilities(kinds=["edit", "removal"], html=True, replies=False)
    found = able(profile, said, CapabilitiesSettings(html=False, kinds=["edit"]).fixed)
    assert (found.html, found.replies, found.max_text) == (False, False, 1000)
    assert found.kinds == EVERYWHERE | {Kind.EDIT}
    assert able(profile, Abilities(), {}) == profile
