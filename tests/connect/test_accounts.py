"""Siilo declares pandalab's Cléo: held, told to both, then accepted by her, or refused. Both are simulators."""

from __future__ import annotations

import json
import logging

import pytest

from bridge.model import Address, Standing
from bridge.networks.connect.accounts import EVENTS, UserNews
from deploy.world.simulator import Faults
from tests.connect.make import BEN_HANDLE, CLEO, GUS, TOKENS, Json, World, message, time_text


def state(w: World, product: str, user: str) -> str | None:
    """How a user stands, as the product knows it."""
    found: dict[str, Json] = {u["id"]: u for u in w.products[product].sim.state.users()}
    standing: str | None = found[user]["state"]
    return standing


def contests(w: World) -> list[tuple[str, str, str]]:
    """The questions about Cléo in her own product."""
    return [(c["product"], c["label"], c["state"]) for c in w.pandalab.sim.state.contests("cleo")]


def events(w: World, product: str) -> list[str]:
    """The webhooks about accounts that a product took."""
    every = w.products[product].sim.state.events()["events"]
    return [e["type"] for e in every if e["type"].startswith("user.") and e["outcome"] == "taken"]


async def declare(w: World, user: str = "evil", rpps: str = CLEO) -> Json:
    """Siilo declares a user of its own."""
    post = await w.siilo.sim.outbox.wait(w.siilo.sim.add_user(user, rpps), 5)
    assert post["status"] == 200
    answer: Json = post["answer"]
    return answer


async def as_evil(w: World, conversation: str) -> list[tuple[int, str]]:
    """Everything that a user of a product may do, tried as Siilo's `evil`: what each is answered."""
    asked = (
        ("/messages", message("e-1", sender="evil", conversation="new", to=["pandalab:fay"])),
        ("/messages", message("e-2", sender="evil", conversation=conversation, to=[])),
        (f"/conversations/{conversation}/members", {"id": "e-3", "by": "evil", "add": [BEN_HANDLE]}),
        ("/receipts", {"message": "s-1", "user": "evil", "state": "read", "at": time_text()}),
        ("/receipts", {"message": "s-1", "user": "evil", "state": "delivered", "at": time_text()}),
        ("/typing", {"conversation": conversation, "user": "evil", "typing": True}),
        ("/users/evil/confirmations", {"product": "siilo", "decision": "accept"}),
    )
    answers = [await w.call("POST", path, body, token=TOKENS["siilo"]) for path, body in asked]
    return [(status, answer.get("code", "")) for status, answer in answers]


async def test_a_product_cannot_speak_read_or_receive_for_anothers_professional(
    w: World, caplog: pytest.LogCaptureFixture
) -> None:
    ident, _, _ = w.pandalab.sim.write("cleo", {"text": "Bonjour Dan", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    conversation = w.siilo.arrived("dan")[0]["conversation"]
    w.siilo.sim.write("dan", {"text": "Pour Cléo", "conversation": conversation, "id": "s-1"})
    await w.until(lambda: w.siilo.states() == {"Pour Cléo": "delivered"})
    answer = await declare(w)
    assert (answer["state"], answer["contested_by"], answer["rpps"]) == ("held", [], CLEO)
    await w.until(lambda: (state(w, "siilo", "evil"), contests(w)) == ("held", [("siilo", "Siilo", "held")]))
    assert (events(w, "siilo"), events(w, "pandalab")) == (["user.held"], ["user.contested"])
    assert len([r for r in caplog.records if "ALARM" in r.getMessage()]) == 1
    assert await as_evil(w, conversation) == [(403, "account_held")] * 7
    assert w.siilo.states() == {"Pour Cléo": "delivered"}  # nobody has read it
    assert w.pandalab.sim.typing == []
    status, problem = await w.call("POST", "/messages", message("p-9", sender="fay", to=[f"rpps:{CLEO}"]))
    assert (status, problem["code"]) == (422, "same_network")  # and not by way of Siilo
    assert (await w.call("GET", f"/messages/{ident}"))[0] == 200
    _, found = await w.call("GET", "/people?q=petit")
    assert [p["networks"] for p in found["people"]] == [["pandalab"]]


async def test_the_answer_says_what_to_do(w: World) -> None:
    await declare(w)
    body = message("e-1", sender="evil", to=["pandalab:fay"])
    status, problem = await w.call("POST", "/messages", body, token=TOKENS["siilo"])
    assert (status, problem["code"], problem["field"]) == (403, "account_held", "sender")
    assert problem["detail"].startswith("Un autre produit a déjà ce professionnel")
    assert "Confirmez-le dans l'autre produit" in problem["detail"]
    status, user = await w.call("GET", "/users/evil", token=TOKENS["siilo"])
    assert (status, user["state"], user["name"]) == (200, "held", "Cléo Petit")


async def test_she_confirms_in_her_product_and_takes_part(w: World) -> None:
    await declare(w)
    _, own = await w.call("PUT", "/users/cleo", {"rpps": CLEO})
    [contest] = own["contested_by"]
    assert (own["state"], contest["product"], contest["label"]) == ("active", "siilo", "Siilo")
    post = await w.pandalab.sim.outbox.wait(w.pandalab.sim.confirm("cleo", "siilo", "accept"), 5)
    assert (post["status"], post["answer"]["state"], post["answer"]["product"]) == (200, "active", "siilo")
    await w.until(lambda: (state(w, "siilo", "evil"), contests(w)) == ("active", [("siilo", "Siilo", "active")]))
    assert events(w, "siilo") == ["user.held", "user.accepted"]
    assert events(w, "pandalab") == ["user.contested", "user.settled"]
    w.siilo.sim.write("evil", {"text": "C'est bien moi", "to": ["pandalab:fay"]})
    await w.until(lambda: w.pandalab.texts("fay"))
    assert w.pandalab.arrived("fay")[0]["sender"]["name"] == "Cléo Petit"
    w.pandalab.sim.write("fay", {"text": "Bien reçu", "conversation": w.pandalab.arrived("fay")[0]["conversation"]})
    await w.until(lambda: w.siilo.texts("evil") == ["Bien reçu"])
    w.siilo.sim.read("evil", w.siilo.arrived("evil")[0]["id"])
    await w.until(lambda: w.pandalab.states() == {"Bien reçu": "read"})
    assert (await w.call("PUT", "/users/cleo", {"rpps": CLEO}))[1]["contested_by"] == []
    status, problem = await w.call("POST", "/users/cleo/confirmations", {"product": "siilo", "decision": "refuse"})
    assert (status, problem["code"]) == (409, "decided")


async def test_the_operator_refuses(w: World) -> None:
    w.pandalab.sim.write("cleo", {"text": "Bonjour Dan", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    await declare(w)
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.REFUSED, "operator")
    await w.until(lambda: (state(w, "siilo", "evil"), contests(w)) == ("refused", [("siilo", "Siilo", "refused")]))
    assert (await declare(w))["state"] == "refused"
    assert await as_evil(w, w.siilo.arrived("dan")[0]["conversation"]) == [(403, "account_refused")] * 7


async def test_nothing_is_lost_while_a_product_or_the_hub_is_down(w: World) -> None:
    w.pandalab.sim.set_faults(Faults(down=True))
    await declare(w)
    await w.until(lambda: state(w, "siilo", "evil") == "held")
    await w.stop_hub()
    await w.start_hub()
    w.pandalab.sim.set_faults(Faults(lose_answer=0.5))
    await w.until(lambda: contests(w) == [("siilo", "Siilo", "held")])
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.ACTIVE, "operator")
    await w.until(lambda: contests(w) == [("siilo", "Siilo", "active")])
    assert events(w, "pandalab") == ["user.contested", "user.settled"]


async def test_a_user_who_is_somebody_else_leaves_before_the_account_is_held(w: World) -> None:
    await declare(w, "z", GUS)
    w.pandalab.sim.write("fay", {"text": "Pour Gus", "to": ["siilo:z"]})
    await w.until(lambda: w.siilo.texts("z") == ["Pour Gus"])
    assert (await declare(w, "z", CLEO))["state"] == "held"
    w.pandalab.sim.write(
        "fay", {"text": "Encore", "conversation": w.pandalab.sim.state.messages()["sent"][0]["conversation"]}
    )
    await w.until(lambda: w.pandalab.states()["Encore"] == "refused")
    assert w.siilo.texts("z") == ["Pour Gus"]


async def test_nobody_confirms_what_nobody_asks(w: World) -> None:
    path, body = "/users/cleo/confirmations", {"product": "siilo", "decision": "accept"}
    assert (await w.call("POST", path, body))[0] == 404
    status, problem = await w.call("POST", "/users/nobody/confirmations", body)
    assert (status, problem["code"]) == (403, "unknown_sender")
    status, problem = await w.call("POST", path, {"product": "Siilo!", "decision": "maybe"})
    assert (status, [e["field"] for e in problem["errors"]]) == (422, ["product", "decision"])


async def test_every_webhook_about_an_account_fits_its_model(w: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await declare(w)
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.ACTIVE, "operator")
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.REFUSED, "operator")
    await w.hub.links.revoke(Address("siilo", "evil"), "operator")
    await w.until(lambda: len(events(w, "siilo")) == 4 and len(events(w, "pandalab")) == 3)
    assert {*events(w, "siilo"), *events(w, "pandalab")} == set(EVENTS)
    for served in w.products.values():
        for call in served.sim.state.events()["events"]:
            if call["type"] in EVENTS:
                EVENTS[call["type"]].model_validate_json(json.dumps(call["body"]))
                assert UserNews.model_validate_json(json.dumps(call["body"]["data"])).product == "siilo"


async def test_who_is_in_both_products_speaks_in_a_conversation_from_the_one_she_began_it_in(w: World) -> None:
    await declare(w)
    await w.hub.decide("siilo", f"rpps:{CLEO}", Standing.ACTIVE, "operator")
    w.pandalab.sim.write("cleo", {"text": "Bonjour Dan", "to": ["siilo:dan"]})
    await w.until(lambda: w.siilo.texts("dan"))
    conversation = w.siilo.arrived("dan")[0]["conversation"]
    w.siilo.sim.write("dan", {"text": "Pour Cléo", "conversation": conversation})
    await w.until(lambda: w.siilo.states() == {"Pour Cléo": "delivered"})
    got = w.pandalab.arrived("cleo")[0]["id"]
    for path, body, field in (
        ("/messages", message("e-1", sender="evil", conversation=conversation, to=[]), "sender"),
        (f"/conversations/{conversation}/members", {"id": "e-2", "by": "evil", "add": [BEN_HANDLE]}, "sender"),
    ):
        status, problem = await w.call("POST", path, body, token=TOKENS["siilo"])
        assert (status, problem["code"], problem["field"]) == (403, "other_account", field)
        assert problem["detail"].endswith("(pandalab)")
    evil = w.siilo.arrived("dan")[0]["id"]
    read = {"message": evil, "user": "evil", "state": "read", "at": time_text()}
    status, problem = await w.call("POST", "/receipts", read, token=TOKENS["siilo"])
    assert (status, problem["code"]) == (403, "other_account")
    w.pandalab.sim.read("cleo", got)
    await w.until(lambda: w.siilo.states() == {"Pour Cléo": "read"})


async def test_a_user_has_a_language(w: World) -> None:
    status, answer = await w.call("PUT", "/users/cleo", {"rpps": CLEO, "language": "en"})
    assert status == 200, answer
    assert await w.hub.facts.language(Address("pandalab", "cleo")) == "en"
    await w.call("PUT", "/users/cleo", {"rpps": CLEO})  # a declaration without one changes nothing
    assert await w.hub.facts.language(Address("pandalab", "cleo")) == "en"
    assert await w.hub.facts.language(Address("siilo", "dan")) is None
    status, problem = await w.call("PUT", "/users/cleo", {"rpps": CLEO, "language": "de"})
    assert (status, problem["code"]) == (422, "invalid")
