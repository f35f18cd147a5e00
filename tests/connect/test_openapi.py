"""The OpenAPI document holds: Schemathesis tries the live API with it, and every webhook fits its model."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from pathlib import Path

import pytest

from bridge.networks.connect import about, accounts, teams, wire
from bridge.networks.connect.calls import call
from bridge.networks.connect.contract.openapi import document
from bridge.networks.connect.contract.operations import OPERATIONS, Operation
from bridge.networks.connect.fields import Wire
from deploy.world.simulator import Faults
from tests.connect.make import TOKENS, Json, World, message

# 422 is a right answer to a valid document where people, numbers, hashes and times must mean something; 409 where an
# id was used before.
ROOT = Path(__file__).resolve().parents[2]
_CONFIG = """
color = false
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt for a message that nobody knows is refused after 0.1 s, not 2 s: many are."""
    monkeypatch.setattr(call, "WAIT", 0.1 / call.LOOKS)


async def _schemathesis(w: World, folder: Path, *more: str, examples: int = 30, seed: int = 1) -> str:
    config = folder / "schemathesis.toml"
    config.write_text(_CONFIG)
    more_env = {
        "SCHEMATHESIS_HOOKS": "tests.connect.st_hooks",
        "PYTHONPATH": str(ROOT),
        # Tables of characters, which take seconds to make, are kept there.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config),
        "run", w.url + "/connect/v1/openapi.json", "--max-examples", str(examples), "--seed", str(seed),
        "--generation-database", "none", "--warnings", "off", *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=os.environ | more_env, cwd=folder,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-8000:]
    return out.decode()


async def _everything(w: World, folder: Path, examples: int, seed: int) -> None:
    status, _ = await w.call("POST", "/messages", message("m-1", to=["siilo:dan"]))
    assert status == 202
    await w.until(w.siilo.arrived)  # before a request ends somebody
    token = f"Authorization: Bearer {TOKENS['pandalab']}"
    out = await _schemathesis(w, folder, "--header", token, examples=examples, seed=seed)
    assert f"Tested: {len(OPERATIONS)}" in out


@pytest.mark.real_time
async def test_no_request_finds_an_undocumented_answer(w: World, tmp_path: Path) -> None:
    await _everything(w, tmp_path, examples=6, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_no_request_out_of_thousands_finds_an_undocumented_answer(w: World, tmp_path: Path) -> None:
    await _everything(w, tmp_path, examples=500, seed=random.randrange(2**32))  # the output names the seed


async def test_without_a_token_every_operation_is_refused(w: World) -> None:
    for operation in OPERATIONS:
        path = operation.path.replace("{id}", "m-1").replace("{person}", "siilo:dan")
        for token in (None, "", "wrong", "x" * 600):
            sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
            url = w.url + "/connect/v1" + path
            async with w.client.request(operation.method, url, data=b"{", headers=sent) as answer:
                assert answer.status == (200 if operation.open else 401), (operation.name, token)
                if not operation.open:
                    assert (await answer.json(content_type=None))["code"] == "unknown_token"
                    assert answer.headers["WWW-Authenticate"]


@pytest.mark.long
@pytest.mark.real_time
async def test_without_a_token_everything_is_refused_as_documented(w: World, tmp_path: Path) -> None:
    out = await _schemathesis(w, tmp_path, "--phases", "examples,coverage")
    assert f"Tested: {len(OPERATIONS)}" in out


OF_THEIR_OWN = {"webhook.test", "message.vote", "message.handled", "message.poll_ended"}  # they have other tests
EVENTS: dict[str, type[Wire]] = {
    "message.created": wire.CreatedEvent,
    "conversation.members": wire.MembersEvent,
    "message.edited": about.EditedEvent,
    "message.removed": about.RemovedEvent,
    "message.reaction": about.ReactionEvent,
    "conversation.renamed": about.RenamedEvent,
    "conversation.picture": teams.PictureEvent,
    "message.state": wire.StateEvent,
    "typing": wire.TypingEvent,
}


async def test_every_webhook_fits_its_model(w: World) -> None:
    await w.siilo.sim.outbox.wait(w.siilo.sim.able("edit", "removal", "reaction", "picture"), 20)
    ident, conversation, _ = w.pandalab.sim.write(
        "cleo", {"text": "Bonjour", "html": "<b>Bonjour</b>", "to": ["siilo:dan"]}
    )
    await w.until(lambda: w.siilo.texts("dan"))
    for kind, more in (("reactions", {"key": "👍"}), ("edits", {"text": "Bonsoir"}), ("removals", {})):
        w.pandalab.sim.act("cleo", kind, ident, more)
    w.pandalab.sim.change_members(conversation, {"by": "cleo", "add": ["rpps:10000000002"]})
    w.pandalab.sim.rename(conversation, {"by": "cleo", "name": {"text": "RCP", "about_patient": False}})
    await w.call("PUT", f"/conversations/{conversation}/avatar", {"id": "a-1", "by": "cleo", "content": None})
    await w.pandalab.sim.type("cleo", conversation, True)
    await w.until(lambda: len({e["type"] for e in w.siilo.sim.state.events()["events"]}) == 8)
    w.siilo.sim.set_faults(Faults(refuse=True))
    w.pandalab.sim.write("cleo", {"text": "Refusé", "conversation": conversation})

    def calls() -> list[Json]:
        return [e for s in w.products.values() for e in s.sim.state.events()["events"] if e["outcome"] == "taken"]

    await w.until(lambda: {e["type"] for e in calls()} == set(EVENTS))
    await w.until(lambda: w.pandalab.states()["Refusé"] == "refused")
    for one in calls():
        EVENTS[one["type"]].model_validate_json(json.dumps(one["body"]))


async def test_the_document_is_served_without_a_token(w: World) -> None:
    status, served = await w.call("GET", "/openapi.json", token=None)
    assert (status, served) == (200, document())
    assert served["openapi"] == "3.1.0"
    assert set(served["webhooks"]) == {*EVENTS, *accounts.EVENTS, *OF_THEIR_OWN}


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', text):
        assert reference in schemas


def test_what_the_hub_sends_may_grow_and_what_a_product_sends_may_not() -> None:
    schemas = document()["components"]["schemas"]
    objects = {name for name, one in schemas.items() if one.get("type") == "object"}
    closed = {name for name in objects if schemas[name].get("additionalProperties") is False}
    assert closed == {
        "Abilities", "GivenCard", "GivingTopic", "Confirmation", "GivenName", "Leaving", "MembersChange", "NewAbsence",
        "ProofOf",
        "NewCredential", "NewEdit", "NewEnd", "NewFile", "NewHandled", "NewMessage", "NewReaction",
        "NewRemoval", "NewVote", "GivenPlace", "PollAnswer", "PollAsked", "Picturing", "Portraying",
        "Receipt", "Renaming", "TypingSign", "UploadedFile", "Vouch",
    }  # fmt: skip
    for words in ("**What may change.**", "`deprecated`", "an unknown field is refused (422)"):
        assert words in document()["info"]["description"]


async def test_an_unknown_field_of_a_request_is_refused_by_name(w: World) -> None:
    status, problem = await w.call("POST", "/messages", message("m-1", to=["siilo:dan"]) | {"urgnet": True})
    assert status == 422
    assert [one["field"] for one in problem["errors"]] == ["urgnet"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_every_operation_documents_its_problems(operation: Operation) -> None:
    answers = document()["paths"][operation.path][operation.method.lower()]["responses"]
    assert str(operation.status) in answers
    assert "500" in answers
    if not operation.open:
        assert {"401", "403", "422", "429", "503"} <= set(answers)
    for status, answer in answers.items():
        if int(status) >= 400:
            assert list(answer["content"]) == ["application/problem+json"]
