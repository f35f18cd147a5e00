"""Places, polls, cards, calls, marks and mentions between products: as what they are, or as text that says it all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.forms import wording
from bridge.networks.connect import about as acts
from bridge.networks.connect import wire
from bridge.networks.connect.fields import Wire
from tests.connect.about.test_about import SIILO, about
from tests.connect.make import Json, World, message, time_text

PLACE = {"lat": 48.85837, "lon": 2.294481, "uncertainty": 35.0, "label": "Urgences"}
WHOLE = 2.0  # for JSON Schema an integer
POLL = {"question": "Quel jour ?", "answers": [{"id": "a", "text": "Mardi"}, {"id": "b", "text": "Jeudi"}]}
CARD = {"name": "Cléo Petit", "vcard": "BEGIN:VCARD\nFN:Cléo Petit\nTEL:+33123456789\nEND:VCARD\n"}
MODELS: dict[str, type[Wire]] = {
    "message.created": wire.CreatedEvent, "message.vote": acts.VoteEvent, "message.handled": acts.HandledEvent,
    "message.poll_ended": acts.PollEndedEvent,
}  # fmt: skip


def events(w: World) -> list[Json]:
    """What siilo was given, each as its model has it."""
    got = [e for e in w.siilo.sim.state.events()["events"] if e["type"] in MODELS]
    for one in got:
        MODELS[one["type"]].model_validate_json(json.dumps(one["body"]))
    return [{"type": e["type"]} | e["body"]["data"] for e in got]


async def story(w: World) -> list[Json]:
    """cleo says and does everything."""
    for ident, more in (
        ("p-1", {"to": ["siilo:dan"], "text": "@Dan ?", "mentions": ["rpps:10000000004"], "urgent": True}),
        ("p-2", {"kind": "location", "text": "Ici", "location": PLACE, "everybody": True}),
        ("p-3", {"kind": "poll", "text": "", "poll": POLL | {"most": WHOLE}}),
        ("p-4", {"kind": "contact", "text": "Ma carte", "contact": CARD}),
        ("p-5", {"kind": "call", "text": "https://visio.example/1"}),
    ):
        status, told = await w.call("POST", "/messages", message(ident, **({"to": []} | more)))
        assert status == 202, told
    for path, ident, body in (
        ("p-3/votes", "p-6", {"answers": ["b"]}),
        ("p-3/end", "p-7", {}),
        ("p-1/handled", "p-8", {}),
    ):
        await w.until(lambda: len(events(w)) >= 5)
        status, told = await w.call("POST", f"/messages/{path}", about(ident, **body))
        assert status == 202, told
    return events(w)


async def test_a_product_that_shows_everything_gets_it_as_what_it_is(w: World) -> None:
    able = {"kinds": ["handled", "poll"], "mentions": True, "locations": True, "contacts": True}
    assert (await w.call("PUT", "/capabilities", able, token=SIILO))[0] == 200
    await story(w)
    await w.until(lambda: len(events(w)) == 8)
    first, place, poll, card, call, vote, ended, handled = events(w)
    assert (first["kind"], first["mentions"], first["mentioned"]) == ("text", ["rpps:10000000004"], ["dan"])
    assert first["urgent"]
    assert (place["kind"], place["location"], place["mentioned"]) == ("location", PLACE, ["dan"])
    assert place["text"].startswith("Ici\n📍")
    assert (poll["kind"], poll["poll"]) == ("poll", POLL | {"most": 2, "disclosed": True})
    assert (card["kind"], card["contact"], card["files"][0]["type"]) == ("contact", CARD, "text/vcard")
    assert (call["kind"], call["text"]) == ("notice", wording.call("https://visio.example/1"))
    assert [one["type"] for one in (vote, ended, handled)] == ["message.vote", "message.poll_ended", "message.handled"]
    assert (vote["answers"], vote["about"]) == (["b"], ended["about"])
    assert [one["count"] for one in ended["counts"]] == [0, 1]
    assert ended["voters"] == 1


async def test_a_product_that_shows_text_only_misses_nothing(w: World) -> None:
    await story(w)
    await w.until(lambda: len(events(w)) == 7)
    first, place, poll, card, call, ended, handled = events(w)
    assert {one["type"] for one in events(w)} == {"message.created"}
    assert [one["kind"] for one in events(w)] == ["text", "text", "text", "text", "notice", "text", "text"]
    assert not any(one["location"] or one["poll"] or one["contact"] for one in events(w))
    assert "geo:48.85837,2.294481;u=35" in place["text"]
    assert "1. Mardi\n2. Jeudi" in poll["text"]
    assert card["text"].startswith("👤")
    assert "+33123456789" in card["text"]
    assert "1 × Jeudi" in ended["text"]
    assert handled["text"] == wording.handled()
    assert None not in (handled["reply_to"], ended["reply_to"])
    assert first["urgent"]
    assert "https://visio.example/1" in call["text"]


async def test_a_mark_by_the_usual_sign_is_the_same_mark(w: World) -> None:
    assert (await w.call("PUT", "/capabilities", {"kinds": ["handled"]}, token=SIILO))[0] == 200
    await w.call("POST", "/messages", message("p-1", to=["siilo:dan"]))
    await w.until(lambda: w.siilo.texts("dan"))
    assert (await w.call("POST", "/messages/p-1/reactions", about("p-2", key="✅")))[0] == 202
    await w.until(lambda: [one["type"] for one in events(w)] == ["message.created", "message.handled"])


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"kind": "poll"}, "poll", "wrong_kind"),
        ({"location": PLACE}, "location", "wrong_kind"),
        ({"kind": "location", "location": PLACE | {"lat": 91}}, "location.lat", "invalid"),
        ({"kind": "poll", "poll": POLL | {"answers": [{"id": "a", "text": "x"}] * 2}}, "poll.answers", "same_answer"),
        ({"kind": "contact", "contact": CARD | {"vcard": "x"}}, "contact.vcard", "invalid"),
    ],
)
async def test_what_holds_not_what_it_says_is_refused_by_name(w: World, change: Json, field: str, code: str) -> None:
    status, problem = await w.call("POST", "/messages", message("p-1", to=["siilo:dan"], **change))
    named: Any = problem["field"] if code != "invalid" else problem["errors"][0]["field"]
    assert (status, named, problem["code"]) == (422, field, code)


async def test_a_vote_is_cast_in_a_poll(w: World) -> None:
    await w.call("POST", "/messages", message("p-1", to=["siilo:dan"]))
    status, problem = await w.call("POST", "/messages/p-1/votes", about("p-2", answers=["a"]))
    assert (status, problem["code"]) == (422, "vote_not_carried")
    status, problem = await w.call("POST", "/messages/p-1/end", about("p-3"))
    assert (status, problem["code"]) == (422, "poll_end_not_carried")


async def test_a_long_text_reaches_a_product_in_parts_and_leaves_it_in_whole(w: World) -> None:
    text = "mot " * 20_000
    assert (await w.call("POST", "/messages", message("p-1", to=["siilo:dan"], text=text)))[0] == 202
    await w.until(lambda: len(events(w)) == 2)
    assert " ".join(one["text"].partition("\n")[2] for one in events(w)).split() == text.split()
    assert (await w.call("PUT", "/capabilities", {"kinds": ["removal"]}, token=SIILO))[0] == 200
    assert (await w.call("POST", "/messages/p-1/removals", about("p-2")))[0] == 202

    def removed() -> list[str]:
        got = w.siilo.sim.state.events()["events"]
        return [e["body"]["data"]["about"] for e in got if e["type"] == "message.removed"]

    await w.until(lambda: len(removed()) == 2)
    assert len(set(removed())) == 2


async def test_what_a_product_says_of_its_limits_counts_where_it_is_less(w: World) -> None:
    said = {"kinds": ["edit", "removal"], "edit_within": 60, "removal_within": 10_000, "max_text": 2_000}
    status, able = await w.call("PUT", "/capabilities", said | {"max_files": 2_000_000_000}, token=SIILO)
    assert (status, able["edit_within"], able["removal_within"], able["max_text"]) == (200, 60, 10_000, 2_000)
    assert able["max_files"] == 25_000_000  # of what travels in a message
    assert (await w.call("GET", "/capabilities", token=SIILO))[1] == able
    for wrong in ({"edit_within": -1}, {"max_text": 10}, {"max_files": 1}):
        assert (await w.call("PUT", "/capabilities", wrong, token=SIILO))[0] == 422
    early = datetime.now(UTC) - timedelta(minutes=5)
    old = message("p-1", to=["siilo:dan"], sent_at=time_text(early), text="mot " * 1_000)
    assert (await w.call("POST", "/messages", old))[0] == 202
    await w.until(lambda: len(events(w)) == 3)  # in parts
    carried = (await w.call("GET", "/conversations/chat-1"))[1]["carried"]  # what the others' products do
    assert (carried["edit_within"], carried["removal_within"], carried["max_text"]) == (60, 10_000, 2_000)
    assert (await w.call("POST", "/messages", message("p-2", to=[], sent_at=time_text(early))))[0] == 202
    await w.until(lambda: len(events(w)) == 4)
    assert (await w.call("POST", "/messages/p-2/edits", about("p-3", text="Corrigé")))[0] == 202
    await w.until(lambda: len(events(w)) == 5)  # too late for it: said as a text
    assert "Corrigé" in events(w)[4]["text"]
    await w.stop_hub()  # it is on disk
    await w.start_hub()
    assert (await w.call("GET", "/capabilities", token=SIILO))[1] == able
