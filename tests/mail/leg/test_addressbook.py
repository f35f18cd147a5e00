"""Which mailbox is whose; how addresses are given and kept is in test_conversations."""

from __future__ import annotations

import pytest

from bridge.networks.mail.leg.addressbook import AddressBook, local_part


def book(*teams: str) -> AddressBook:
    return AddressBook(None, ("un.mss.example", "deux.mss.example"), dict.fromkeys(teams, "Une équipe"))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", ["postmaster@un.mss.example", "Postmaster@deux.mss.example"])
def test_one_postmaster_serves_all_domains(asked: str) -> None:
    assert book("postmaster@un.mss.example").team(asked) == "postmaster@un.mss.example"
    assert book("postmaster@deux.mss.example").team(asked) == "postmaster@deux.mss.example"
    assert book("cardio@un.mss.example").team(asked) is None
    assert book("postmaster@un.mss.example").team("postmaster@elsewhere.example") is None


def test_other_teams_have_one_address() -> None:
    assert book("cardio@un.mss.example").team("Cardio@UN.mss.example") == "cardio@un.mss.example"
    assert book("cardio@un.mss.example").team("cardio@deux.mss.example") is None


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("Dr Cléo Petit", "cleo.petit"), ("Pr", "pr"), ("Anne-Marie d'Œuvre", "anne.marie.d.oeuvre"), ("", "contact"),
        ("张伟", "contact"), ("x" * 100, "x" * 48),
    ],
)  # fmt: skip
def test_local_parts(name: str, local: str) -> None:
    assert local_part(name) == local


def test_a_conversation_has_an_address_and_back() -> None:
    conversation = "c_" + "0a" * 12
    address = book().room(conversation)
    assert address == f"salon-{'0a' * 12}@un.mss.example"
    assert book().conversation(address.upper()) == conversation
    assert book().conversation(f"salon-{'0a' * 12}@elsewhere.example") is None
    assert book().room("something else") is None
