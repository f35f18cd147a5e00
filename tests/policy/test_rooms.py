"""Which rooms and which state are let be, and what a text must not say of a patient. Pure: no Synapse."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from liaison_policy.patient import names_patient, valid_nir
from liaison_policy.reasons import REASONS, Refusal
from liaison_policy.rooms import (
    MEGOLM,
    RoomRules,
    check_creation,
    check_invitation,
    check_name,
    check_state,
    check_upgrade,
)

RULES, YEAR = RoomRules(), 2026
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}


def reason(check: Callable[[], Any]) -> str:
    """The code of a refusal, or nothing."""
    try:
        check()
    except Refusal as refusal:
        return refusal.reason.code
    return ""


def event(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": f"m.room.{kind}", "state_key": "", "content": content}


def levels(**override: Any) -> dict[str, Any]:
    return {"power_level_content_override": override}


CREATIONS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"preset": "trusted_private_chat", "room_version": "11", "name": "Équipe", "is_direct": True}, ""),
    ({"preset": "public_chat"}, "public_room"),
    ({"visibility": "public"}, "public_room"),
    ({"room_version": "9"}, "room_version"),
    ({"room_version": "org.x"}, "room_version"),
    ({"room_version": 11}, "room_version"),
    ({"initial_state": [event("encryption", algorithm="m.olm")]}, "not_encrypted"),
    ({"initial_state": [event("encryption")]}, "not_encrypted"),
    ({"initial_state": [event("join_rules", join_rule="public")]}, "public_room"),
    ({"initial_state": [event("join_rules")]}, "join_rule"),
    ({"initial_state": [event("history_visibility", history_visibility="world_readable")]}, "world_readable"),
    ({"initial_state": [event("history_visibility", history_visibility=["x"])]}, "world_readable"),
    ({"initial_state": [event("guest_access", guest_access="can_join")]}, "guest_access"),
    ({"initial_state": [event("name", name="Mme DURAND Marie")]}, "patient_data"),
    ({"initial_state": [event("canonical_alias", alias="#DDN_03_04_1950:x")]}, "patient_data"),
    ({"initial_state": [event("canonical_alias", alt_aliases=["#ok:x", "#né_le_3_avril:x"])]}, "patient_data"),
    ({"initial_state": [event("power_levels", users_default=100)]}, "power_levels"),
    ({"initial_state": "rubbish"}, ""),
    ({"initial_state": [1, {"type": 2}, {"type": "m.room.topic", "content": 3}]}, ""),
    (levels(), ""),
    (levels(invite=0, users_default=50), ""),
    (levels(users_default=75), ""),
    (levels(users_default=100), "power_levels"),
    (levels(events={"m.room.name": 0}), ""),
    (levels(events={"m.room.encryption": 50}), "power_levels"),
    (levels(events={"m.room.power_levels": "0"}), "power_levels"),
    (levels(events={"m.room.encryption": True}), "power_levels"),
    (levels(events=[]), ""),
    ({"power_level_content_override": "x"}, ""),
    ({"name": "M. DUPONT Jean"}, "patient_data"),
    ({"topic": "IPP 0012345678"}, "patient_data"),
    ({"name": 7}, ""),
]


@pytest.mark.parametrize(("config", "code"), CREATIONS)
def test_a_new_room(config: dict[str, Any], code: str) -> None:
    assert reason(lambda: check_creation(RULES, config, YEAR)) == code


def test_what_is_added_to_a_new_room() -> None:
    changed = check_creation(RULES, {"initial_state": [event("name", name="x")]}, YEAR)
    assert [one["type"] for one in changed["initial_state"]] == [
        "m.room.name",
        "m.room.encryption",
        "m.room.guest_access",
    ]
    assert "power_level_content_override" not in changed
    chosen = [
        ENCRYPTED,
        event("guest_access", guest_access="forbidden"),
        event("history_visibility", history_visibility="joined"),
    ]
    assert check_creation(RoomRules(history="invited"), {"initial_state": chosen}, YEAR)["initial_state"] == chosen
    added = check_creation(RoomRules(history="invited"), {}, YEAR)["initial_state"]
    assert {"history_visibility": "invited"} in [one["content"] for one in added]


def test_an_override_leaves_what_guards_a_room_to_administrators() -> None:
    override = check_creation(RULES, levels(events={"m.room.name": 0, "m.room.power_levels": 90}), YEAR)
    events = override["power_level_content_override"]["events"]
    assert events["m.room.encryption"] == events["m.room.history_visibility"] == 100
    assert (events["m.room.name"], events["m.room.power_levels"]) == (0, 90)


STATES: list[tuple[dict[str, Any], str]] = [
    (ENCRYPTED, ""),
    (event("encryption"), "not_encrypted"),
    (event("encryption", algorithm=None), "not_encrypted"),
    (event("join_rules", join_rule="invite"), ""),
    (event("join_rules", join_rule="knock"), ""),
    (event("join_rules", join_rule="restricted"), ""),
    (event("join_rules", join_rule="public"), "public_room"),
    (event("join_rules", join_rule=["public"]), "join_rule"),
    (event("join_rules"), "join_rule"),
    (event("history_visibility", history_visibility="shared"), ""),
    (event("history_visibility"), "world_readable"),
    (event("guest_access"), ""),
    (event("guest_access", guest_access="forbidden"), ""),
    (event("power_levels"), "power_levels"),
    (event("power_levels", state_default=100), ""),
    (event("power_levels", state_default="100"), ""),
    (event("power_levels", state_default="x"), "power_levels"),
    (event("power_levels", state_default=100, users_default=100), "power_levels"),
    (
        event(
            "power_levels",
            events={"m.room.encryption": 100, "m.room.history_visibility": 100, "m.room.power_levels": 100},
        ),
        "",
    ),
    (event("power_levels", events={"m.room.encryption": 10}, state_default=100), "power_levels"),
    (event("topic", topic="né(e) le 3/4/50"), "patient_data"),
    (event("topic", topic="Réunion du 12/12/2026"), ""),
    (event("topic", topic=None), ""),
    (event("member", membership="join", displayname="Mme DURAND Marie"), ""),
]


@pytest.mark.parametrize(("state", "code"), STATES)
def test_state(state: dict[str, Any], code: str) -> None:
    assert reason(lambda: check_state(RULES, state["type"], state["content"], YEAR)) == code


def test_join_rules_and_versions_are_the_sites() -> None:
    strict = RoomRules(versions=frozenset({"12"}), join_rules=frozenset())
    assert reason(lambda: check_state(strict, "m.room.join_rules", {"join_rule": "knock"}, YEAR)) == "join_rule"
    assert reason(lambda: check_state(strict, "m.room.join_rules", {"join_rule": "invite"}, YEAR)) == ""
    assert reason(lambda: check_creation(strict, {"room_version": "11"}, YEAR)) == "room_version"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"initial_state": [ENCRYPTED]}, ""),
        ({"initial_state": []}, "not_encrypted"),
        ({}, "not_encrypted"),
        ({"initial_state": [ENCRYPTED], "creation_content": {"room_version": "9"}}, "room_version"),
        ({"initial_state": [ENCRYPTED], "creation_content": {"room_version": "12"}}, ""),
        ({"initial_state": [ENCRYPTED, event("join_rules", join_rule="public")]}, "public_room"),
    ],
)
def test_an_upgrade_is_a_new_room(config: dict[str, Any], code: str) -> None:
    assert reason(lambda: check_upgrade(RULES, config, YEAR)) == code


@pytest.mark.parametrize(
    ("version", "state", "code"),
    [
        ("12", [], ""),
        ("9", [], "room_version"),
        ("12", [{"type": "m.room.name", "content": {}}], ""),
        ("12", [event("create"), ENCRYPTED], ""),
        ("12", [event("create")], "not_encrypted"),
        ("12", [event("create"), ENCRYPTED, event("join_rules", join_rule="public")], "public_room"),
        ("12", ["x", 1, {"type": 3}, {"type": "m.room.create", "content": "x"}], "not_encrypted"),
    ],
)
def test_the_room_of_an_invitation_from_elsewhere(version: str, state: list[Any], code: str) -> None:
    assert reason(lambda: check_invitation(RULES, version, state)) == code


PATIENTS = [
    "M. DUPONT Jean né le",
    "M. DUPONT Jean",
    "Mme Durand MARIE",
    "Patiente : MARTIN Léa",
    "Bébé LEROY Tom",
    "né le 3 avril",
    "Née le 03/04/1950",
    "né(e) le",
    "DDN 03041950",
    "ddn: 3/4/50",
    "03/04/1950",
    "3.4.1950",
    "1950-04-03",
    "naissance : 1950",
    "2 55 08 14 168 025 38",
    "255081416802538",
    "INS 255081416802538",
    "2.55.08.14.168.025.38",
    "IPP 123456",
    "IEP: 0012 345",
    "n° dossier 123456",
    "dob 3/4/50",
    "born on 3 April",
]
FINE = [
    "Cardiologie, bâtiment B",
    "Réunion du 12/12/2026",
    "Staff 2026-12-01",
    "Équipe du Dr MARTIN Paul",
    "Garde 24/12",
    "DUPONT",
    "Chambre 12",
    "Télé-expertise",
    "né",
    "M. le directeur",
    "Mme la cadre",
    "255081416802539",
    "06 12 34 56 78",
    "RPPS 10001234567",
    "Protocole 2024/12/345",
    "Renaissance",
    "Bornholm 2",
    "IPPON 2000",
    "",
    "Urgences pédiatriques 0-2 ans",
]


@pytest.mark.parametrize("text", PATIENTS)
def test_a_text_that_names_a_patient(text: str) -> None:
    assert names_patient(text, YEAR)
    assert reason(lambda: check_name(RULES, text, YEAR)) == "patient_data"


@pytest.mark.parametrize("text", FINE)
def test_a_text_that_names_nobody(text: str) -> None:
    assert not names_patient(text, YEAR)
    assert reason(lambda: check_name(RULES, text, YEAR)) == ""


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("255081416802538", True),
        ("255081416802537", False),
        ("2550814168025", False),
        ("x", False),
        ("185052A00301890", False),
        ("1850520003018" + "00", False),
    ],
)
def test_the_key_of_a_national_number(number: str, valid: bool) -> None:
    assert valid_nir(number) == valid


@pytest.mark.parametrize(("department", "digits"), [("2A", "19"), ("2B", "18")])
def test_numbers_of_corsica_have_a_key_too(department: str, digits: str) -> None:
    key = 97 - int(f"18505{digits}003018") % 97
    assert valid_nir(f"18505{department}003018{key:02d}")
    assert names_patient(f"suivi 1 85 05 {department} 003 018 {key:02d}", YEAR)


def test_patterns_of_the_site() -> None:
    rules = RoomRules(patterns=(re.compile(r"chambre \d+", re.I),))
    assert reason(lambda: check_name(rules, "Chambre 12", YEAR)) == "patient_data"
    assert reason(lambda: check_name(rules, "chambre-12", YEAR)) == "patient_data", "as in an alias"


def test_a_long_text_is_looked_at_in_bounded_time() -> None:
    assert not names_patient("a" * 100_000, YEAR)
    assert not names_patient("1 " * 50_000, YEAR)
    assert not names_patient("né " * 30_000, YEAR)


def test_every_reason_is_said_in_both_languages() -> None:
    for code, one in REASONS.items():
        fields = one.fields("fr")
        assert code == one.code == fields["fr.liaison.reason"] == str(Refusal(code))
        assert fields["error"] == one.fr != one.en == one.fields("en")["error"]
        assert one.errcode.startswith("M_")
        assert one.fr.endswith(".")
