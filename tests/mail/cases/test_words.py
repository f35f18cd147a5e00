"""Every word of every text part of a mail is shown, in a file, or in the original that lies beside it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.mail.cases.words import lost, mutated

MAIL = Path(__file__).parents[1]
CASES = sorted((MAIL / "cases/mails").glob("*.eml"))
REAL = sorted([*(MAIL / "mime/golden/mails").glob("*.eml"), *(MAIL / "quoting/golden/clients").glob("*.eml")])
ODD = sorted((MAIL / "mime/golden/cpython").glob("*.txt"))


@pytest.mark.parametrize("path", [*CASES, *REAL, *ODD], ids=lambda path: path.name)
def test_no_word_of_a_mail_is_lost(path: Path) -> None:
    assert not lost(path.read_bytes())


def torn(seeds: range) -> list[tuple[int, str, set[str]]]:
    found = []
    for seed in seeds:
        chance = random.Random(seed)
        path = chance.choice([*CASES, *REAL])
        if words := lost(mutated(path.read_bytes(), chance)):
            found.append((seed, path.name, words))
    return found


def test_no_word_of_a_thousand_torn_mails_is_lost() -> None:
    assert torn(range(1000)) == []


@pytest.mark.long
def test_no_word_of_many_torn_mails_is_lost() -> None:
    assert torn(range(1000, 40_000)) == []
