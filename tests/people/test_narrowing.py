"""Who is wanted of those who are found: by the beginnings of words, and by the kind of entry."""

from __future__ import annotations

import pytest

from bridge.model import Person
from bridge.people.narrowing import fits, kind_of, searched
from bridge.receiver import Narrowing

CLEO = Person(
    "rpps:10000000003", "Dr Cléo Petit", "Médecin — Cardiologie et maladies vasculaires", "CHU de Bordeaux (Pessac)"
)
DESK = Person("mail:secretariat@chu.example", "Secrétariat de cardiologie", "", "Bordeaux")


@pytest.mark.parametrize(
    ("narrowing", "wanted"),
    [
        (Narrowing(), True),
        (Narrowing(profession="cardiologue"), True),
        (Narrowing(profession="CARDIO"), True),
        (Narrowing(profession="médecin de cardiologie"), True),
        (Narrowing(profession="pneumologue"), False),
        (Narrowing(town="bordeaux"), True),
        (Narrowing(town="Pessac"), True),
        (Narrowing(town="Lyon"), False),
        (Narrowing(place="chu de bordeaux"), True),
        (Narrowing(place="clinique bordeaux"), False),
        (Narrowing(profession="cardiologue", town="pessac", kind="person"), True),
        (Narrowing(kind="service"), False),
        (Narrowing(town="petit"), False),
    ],
)
def test_somebody_is_wanted(narrowing: Narrowing, wanted: bool) -> None:
    assert fits(CLEO, narrowing) is wanted


def test_the_kind_is_the_ids() -> None:
    assert [kind_of(Person(ident, "x")) for ident in ("rpps:1", "idnps:2", "mail:a@b", "duty:cardio")] == [
        "person", "person", "service", "function",
    ]  # fmt: skip
    assert fits(DESK, Narrowing(kind="service"))
    assert not fits(DESK, Narrowing(kind="service", profession="cardiologue"))


def test_what_is_wanted_is_searched_too() -> None:
    assert searched("petit", Narrowing()) == "petit"
    assert searched("", Narrowing(profession="cardiologue", town="Lyon")) == "cardiologue Lyon"
