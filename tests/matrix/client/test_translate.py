"""Translations by golden files both ways, names, ids, settings, the registration."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appservice.client.events import clean, link, to_content, to_message, to_status, without_fallback
from appservice.client.names import Names, cipher_hash, seen_id, txn_id
from appservice.leaving.notices import failure
from appservice.leaving.reports import news_of
from appservice.process.registration import registration, registration_yaml, to_yaml
from appservice.process.settings import MatrixSettings
from appservice.rooms.ghosts import display_name, profile
from bridge.config import BadConfig, validate
from bridge.errors import Refused
from bridge.model import Address, Body, Delivery, Kind, Member, Person, RecipientState, Ref, Report, State
from tests.matrix.make import ANNA, CLEO, PEOPLE, SERVER, ghost, settings

GOLDEN = Path(__file__).parent / "golden"
NAMES = Names("rpps_", SERVER)


def golden(name: str) -> list[Any]:
    cases = json.loads((GOLDEN / name).read_text("utf-8"))
    return [pytest.param(case, id=case["name"].replace(" ", "-")) for case in cases]


@pytest.mark.parametrize("case", golden("to_message.json"))
def test_to_message(case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(Refused) as refusal:
            to_message(case["type"], case["content"])
        assert refusal.value.code == case["refused"]
        return
    said = to_message(case["type"], case["content"])
    found: dict[str, Any] = {"kind": said.kind.value, "text": said.body.text, "html": said.body.html}
    found |= {"reply_to": said.reply_to and said.reply_to.id, "thread": said.thread and said.thread.id}
    if said.file is not None:
        found["file"] = [said.file.name, said.file.mime, said.file.size]
    assert {key: value for key, value in found.items() if value is not None} == case["said"]


@pytest.mark.parametrize("html", ["".join(f"<p><b {n}>" for n in range(900)), "<div>" * 3000, "<p>" + "é" * 39_000])
def test_formatting_that_costs_too_much_is_left_out_and_the_text_stays(html: str) -> None:
    content = {"msgtype": "m.text", "body": "Bonjour", "format": "org.matrix.custom.html", "formatted_body": html}
    assert to_message("m.room.message", content).body == Body("Bonjour")


@pytest.mark.parametrize("case", golden("to_content.json"))
def test_to_content(case: dict[str, Any]) -> None:
    refs: dict[str, Any] = {name: Ref("matrix", case[name]) for name in ("reply_to", "thread") if name in case}
    body = Body(case["text"], case.get("html"))
    delivery = Delivery("d", "matrix", "m", "c", "!r", PEOPLE[0], Kind(case["kind"]), body, (), 0, 0, **refs)
    assert to_content(delivery) == case["content"]


@pytest.mark.parametrize(("size", "rich"), [(15_000, True), (28_000, False)])
def test_what_would_be_too_large_with_its_html_leaves_without(size: int, rich: bool) -> None:
    """An event of 65,536 bytes holds the content encrypted and in base64."""
    text = ("L'été d'hier.\n" * size)[:size]
    body = link(Body(text, f"<p>{text}</p>"), "!r", "$e", SERVER)
    delivery = Delivery("d", "matrix", "m", "c", "!r", PEOPLE[0], Kind.TEXT, body, (), 0, 0)
    content = to_content(delivery)
    assert ("formatted_body" in content) == rich
    assert content["body"].endswith(text)
    assert "https://matrix.to/#/" in content["body"]
    assert len(json.dumps(content, ensure_ascii=False).encode()) * 4 / 3 < 64_000


@given(st.text())
def test_no_html_is_too_odd(text: str) -> None:
    cleaned = clean(text)
    assert "<script" not in cleaned.lower()
    assert clean(cleaned) == cleaned
    without_fallback(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.dictionaries(st.text(), c)))
def test_odd_contents_are_refused_or_read(value: Any) -> None:
    for content in ({"msgtype": "m.text", "body": "x", "m.relates_to": value}, {"msgtype": value, "body": value}):
        try:
            to_message("m.room.message", content)
        except Refused:
            continue


def test_a_ghost_and_its_look_alikes() -> None:
    assert NAMES.mxid(PEOPLE[0]) == ghost(ANNA)
    assert NAMES.person(ghost(ANNA)) == f"rpps:{ANNA}"
    assert NAMES.handle(ghost(ANNA)) == f"rpps:{ANNA}"
    others = [
        f"@rpps_{ANNA}:other.example", f"@rpps_{ANNA}0:{SERVER}", f"@rpps_{ANNA[:-1]}:{SERVER}",
        f"@RPPS_{ANNA}:{SERVER}",
        f"@rpps_{ANNA}:{SERVER}\n", f"@rpps_١٠٠٠٠٠٠٠٠٠١:{SERVER}", f"@rpps-{ANNA}:{SERVER}",
        f"@rpps_{ANNA}:stubXexample", "",
    ]  # fmt: skip
    assert not any(NAMES.is_ghost(other) for other in others)
    assert NAMES.handle("@ben:x") is None
    alike = {"rpps_1": "bad_rpps", "rpps_": "bad_rpps", "mss_a=40": "bad_handle", "ben": None, "rpps_A": None}
    assert {name: NAMES.alike(f"@{name}:{SERVER}") for name in alike} == alike
    assert [NAMES.alike(ours) for ours in (ghost(ANNA), NAMES.voice, "@rpps_1:other.example")] == [None] * 3


def test_who_has_no_rpps_has_no_ghost() -> None:
    with pytest.raises(Refused) as refusal:
        NAMES.mxid(Person("matrix:@x:y", "x"))
    assert refusal.value.code == "no_ghost"
    assert NAMES.member(Member(Person("pandalab:x", "x"), Address("pandalab", "x"))) is None
    assert NAMES.member(Member(Person("matrix:@x:y", "x"), Address("matrix", "@x:y"))) == "@x:y"


def test_transaction_ids_name_the_ghost() -> None:
    ids = {txn_id(g, r, k) for g in ("@a:x", "@b:x") for r in ("!1", "!2") for k in ("d1", "d2")}
    assert len(ids) == 8
    assert all(re.fullmatch("[a-z2-7]{26}", txn) for txn in ids)
    assert txn_id("@a:x", "!1", "d1") == txn_id("@a:x", "!1", "d1")
    for n in range(200):  # as base64 has it: what an earlier version of the hub has sent keeps its id
        digest = hashlib.sha256(f"@a:x|!1|{n}|".encode()).digest()
        assert txn_id("@a:x", "!1", f"{n}") == base64.b32encode(digest).decode()[:26].lower()
    assert len(seen_id("$x")) == 24
    assert cipher_hash("AwgA") != cipher_hash("AwgB")


def test_a_profile_has_the_directorys_words_only() -> None:
    person = PEOPLE[0]
    assert display_name(person) == "Dr Anna Martin — Médecin (Lyon)"
    assert display_name(Person("rpps:1", "Dr X")) == "Dr X"
    assert profile(person) == {
        "displayname": "Dr Anna Martin — Médecin (Lyon)",
        "fr.liaison.rpps": ANNA,
        "fr.liaison.role": {"profession": "Médecin", "place": "Lyon"},
    }


def test_a_status_names_codes_only() -> None:
    content = to_status("$1", "FAIL_PERMANENT", **failure("files_not_carried"))
    assert content["m.relates_to"] == {"rel_type": "m.reference", "event_id": "$1"}
    assert (content["reason"], content["internal_error"]) == ("com.beeper.unsupported_event", "files_not_carried")
    assert content["message"].startswith("Le produit du destinataire")
    assert failure("never heard of")["reason"] == "m.foreign_network_error"


def test_the_registration() -> None:
    made = registration(settings("http://x", address="http://hub:29300"), "as", "hs")
    user = made["namespaces"]["users"][0]
    assert user["exclusive"]
    for taken in (ghost(ANNA), f"@rpps_x:{SERVER}", f"@rpps_{ANNA}0:{SERVER}"):
        assert re.match(user["regex"], taken)
    for free in (f"@ben:{SERVER}", f"@rpps_{ANNA}:stubXexample", f"@xrpps_1:{SERVER}"):
        assert not re.match(user["regex"], free)
    assert (made["url"], made["rate_limited"], made["receive_ephemeral"]) == ("http://hub:29300", False, True)
    assert made["org.matrix.msc3202"]
    assert made["io.element.msc4190"]
    assert not made["sender_localpart"].startswith("rpps_")
    assert yaml.safe_load(to_yaml(made)) == made
    assert yaml.safe_load(registration_yaml(settings("http://x")))["as_token"] == "as-token"
    with pytest.raises(ValueError):
        registration(settings("http://x"), "as", "hs", "rpps_bot")


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1}, {"as_token_file": "/x"}, {"as_token": None}, {"homeserver": "example"}, {"server_name": "http://x"},
        {"sender_localpart": "rpps_bot"}, {"ghost_prefix": "RPPS"}, {"key_wait_s": -1}, {"changed_identity": "maybe"},
    ],
)  # fmt: skip
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings("http://x", **wrong) if "homeserver" not in wrong else settings(**wrong)


def test_secrets_come_from_files_and_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "as").write_text("secret-as\n")
    made = MatrixSettings(homeserver="https://x", server_name="x", as_token_file=tmp_path / "as", hs_token="secret-hs")
    assert (made.read_as_token(), made.read_hs_token()) == ("secret-as", "secret-hs")
    assert "secret-hs" not in repr(made)


def report(event: str, *states: tuple[str, State, str | None], chat: str = "!r") -> Report:
    people = {p.id: p for p in PEOPLE}
    rows = tuple(RecipientState(people[f"rpps:{rpps}"], state, 0, reason) for rpps, state, reason in states)
    return Report(f"m{event}", Ref("matrix", event), "c", chat, Address("matrix", "@ben:x"), rows, 1)


def test_a_message_is_a_success_once_everybody_has_it() -> None:
    half = report("$1", (ANNA, State.DELIVERED, None), (CLEO, State.ACCEPTED, None))
    assert news_of([half], NAMES, set()) == {}
    whole = report("$1", (ANNA, State.DELIVERED, None), (CLEO, State.READ, None))
    news = news_of([whole], NAMES, set())["!r"]
    assert news.success == {"$1": (ghost(ANNA), ghost(CLEO))}
    assert news.read == {ghost(CLEO): "$1"}
    assert news_of([whole], NAMES, news.told) == {}


def test_a_mail_is_a_success_when_it_left_and_again_when_it_is_in_the_mailbox() -> None:
    waits = report("$1", (ANNA, State.SENT, None), (CLEO, State.ACCEPTED, None))
    assert news_of([waits], NAMES, set()) == {}
    left = report("$1", (ANNA, State.SENT, None), (CLEO, State.DELIVERED, None))
    news = news_of([left], NAMES, set())["!r"]
    assert news.success == {"$1": (ghost(CLEO),)}
    assert news_of([left], NAMES, news.told) == {}
    then = report("$1", (ANNA, State.REFUSED, "mail_refused"), (CLEO, State.DELIVERED, None))
    assert news_of([then], NAMES, news.told)["!r"].failed == {"$1": ("mail_refused", (ghost(CLEO),))}
    there = report("$1", (ANNA, State.DELIVERED, None), (CLEO, State.DELIVERED, None))
    again = news_of([there], NAMES, news.told)["!r"]
    assert again.success == {"$1": (ghost(ANNA), ghost(CLEO))}
    assert news_of([left], NAMES, news.told | again.told) == {}


def test_who_has_it_is_told_beside_who_has_not() -> None:
    half = report("$1", (ANNA, State.REFUSED, "mail_refused"), (CLEO, State.SENT, None))
    told = news_of([half], NAMES, set())["!r"]
    assert told.failed == {"$1": ("mail_refused", ())}
    assert [one.code for one in told.said] == ["mail_refused"]
    whole = report("$1", (ANNA, State.REFUSED, "mail_refused"), (CLEO, State.DELIVERED, None))
    news = news_of([whole], NAMES, told.told)["!r"]
    assert (news.success, news.said) == ({}, [])
    assert news.failed == {"$1": ("mail_refused", (ghost(CLEO),))}
    assert news_of([whole], NAMES, told.told | news.told) == {}


def test_each_message_of_a_room_has_a_status_of_its_own() -> None:
    reports = [report(f"${n}", (ANNA, State.READ, None)) for n in range(5)]
    news = news_of([*reports, report("$x", (ANNA, State.DELIVERED, None), chat="!other")], NAMES, set())
    assert news["!r"].success == {f"${n}": (ghost(ANNA),) for n in range(5)}
    assert news["!r"].read == {ghost(ANNA): "$4"}
    assert news["!other"].success == {"$x": (ghost(ANNA),)}


def test_each_refusal_is_told_once() -> None:
    refused = report("$1", (ANNA, State.REFUSED, "product_refused"), (CLEO, State.DELIVERED, None))
    news = news_of([refused], NAMES, set())["!r"]
    (said,) = news.said
    assert (said.event, said.code, said.name, said.whom) == ("$1", "product_refused", "Dr Anna Martin", ghost(ANNA))
    assert not news.success
    assert news_of([refused], NAMES, news.told) == {}


@pytest.mark.parametrize(
    "wrong",
    [{"homeserver": "http://"}, {"homeserver": "http://a:99999"}, {"homeserver": "http://a/_matrix/client"},
     {"address": "localhost:29300"}, {"address": "http://localhost:abc"}, {"id": ""}],
)  # fmt: skip
def test_addresses_that_cannot_be_are_named(wrong: dict[str, str]) -> None:
    usual = {"homeserver": "http://a", "server_name": "a", "as_token": "a", "hs_token": "b"}
    with pytest.raises(BadConfig, match=next(iter(wrong))):
        validate(MatrixSettings, usual | wrong, "matrix")


@pytest.mark.parametrize("text", ["", "SECRET-1\nSECRET-2\n", "SECRET-é"])
def test_a_token_file_that_cannot_be_is_named_without_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / "as").write_text(text)
    made = MatrixSettings(homeserver="http://a", server_name="a", as_token_file=tmp_path / "as", hs_token="b")
    with pytest.raises(BadConfig, match="as_token_file") as wrong:
        made.read_as_token()
    assert "SECRET" not in str(wrong.value)
