"""The states of a share: what each one means for trying again, and that the database knows no other word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appservice.e2ee.model import ShareState

SQL = (Path(__file__).parents[2] / "appservice" / "e2ee").rglob("*.sql")


@pytest.mark.parametrize(
    ("state", "given", "late", "kept"),
    [
        (ShareState.UNKNOWN, False, True, True),
        (ShareState.NO_OLM, False, True, True),
        (ShareState.PENDING, True, False, False),
        (ShareState.SENT, True, False, False),
        (ShareState.WITHHELD, False, False, True),
        (ShareState.REFUSED, False, False, False),
    ],
)
def test_what_a_state_means(state: ShareState, given: bool, late: bool, kept: bool) -> None:
    assert (state.given, state.late, state.may_be_kept) == (given, late, kept)


def test_every_state_that_a_statement_names_is_one() -> None:
    found = [word for path in SQL for word in re.findall(r"state (?:=|IN) \(?('[^)\n;]*')", path.read_text("utf-8"))]
    words = {word for group in found for word in re.findall(r"'(\w+)'", group)}
    assert words
    assert words <= set(ShareState)
