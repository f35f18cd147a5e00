"""The table of kinds and of states is whole, and neither the database nor an edge knows another one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.connector import Capabilities
from bridge.kinds import EVERYWHERE, KINDS, MOVES, Unable, not_carried
from bridge.model import Kind, State
from bridge.words import WORDS

ROOT = Path(__file__).parents[2]
_UPDATE = re.compile(r"-- name: (\S+)\n(UPDATE recipient SET .*?);", re.S)
_BECOMES = re.compile(r"SET state = '(\w+)'")
_FROM = re.compile(r"(?:\bstate|r\.state) (?:IN \(([^)]*)\)|= '(\w+)')")


def statements() -> dict[str, str]:
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "bridge").rglob("store.sql"))
    return dict(_UPDATE.findall(text))


def test_every_kind_and_every_state_has_its_row() -> None:
    assert set(KINDS) == set(Kind)
    assert set(MOVES) == set(State)


def test_a_kind_that_not_every_network_carries_has_its_sentence() -> None:
    for kind, rule in KINDS.items():
        assert rule.unable is Unable.CARRY or not_carried(kind) in WORDS


def test_what_corrects_is_about_something_and_said_words_have_recipients() -> None:
    for rule in KINDS.values():
        assert rule.about or not rule.corrects
        assert rule.recipients or not rule.said


def test_a_network_that_declares_nothing_carries_what_every_network_carries() -> None:
    assert Capabilities().kinds == EVERYWHERE == {Kind.TEXT, Kind.NOTICE, Kind.EMOTE, Kind.MEMBERS, Kind.NAME}


def test_the_statements_that_move_states_are_found() -> None:
    assert len([text for text in statements().values() if _BECOMES.search(text)]) >= 6


@pytest.mark.parametrize("name", sorted(statements()))
def test_a_statement_moves_a_state_only_where_the_table_allows_it(name: str) -> None:
    text = statements()[name]
    became = _BECOMES.search(text)
    if became is None:
        return  # only a reason changes, or the state is a parameter
    found = _FROM.search(text, became.end())
    assert found is not None, "a state moves whatever it was"
    before = re.findall(r"'(\w+)'", found[1]) if found[1] else [found[2]]
    assert before
    for state in before:
        assert State(became[1]) in MOVES[State(state)], f"{state} -> {became[1]}"


def test_the_hub_asks_the_table_and_not_for_kinds_by_name() -> None:
    """It names MEMBERS, NAME and EMOTE to write such messages itself, and a reaction's edit, not in the table."""
    for path in (ROOT / "bridge").rglob("*.py"):
        if path.stem in {"hub", "accept", "store", "courier", "outcomes", "signs"} and "networks" not in path.parts:
            named = set(re.findall(r"\bKind\.([A-Z]+)", path.read_text("utf-8")))
            assert named <= {"MEMBERS", "NAME", "PICTURE", "EMOTE", "REACTION", "EDIT"}, path
