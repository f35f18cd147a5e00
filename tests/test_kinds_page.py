"""The page on kinds says what the code does."""

from __future__ import annotations

from bridge.kinds import KINDS
from tests.kinds_page import PAGE, SAMPLES, page


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.kinds_page"


def test_every_kind_that_somebody_says_or_does_is_on_the_page() -> None:
    shown = {kind for _, kind, _ in SAMPLES}
    assert {kind for kind, rule in KINDS.items() if rule.said or rule.about} <= shown
