"""A long text is split where a reader would pause; every word of it arrives, and no part is too long."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.forms.splitting import measure, split

NUMBER = re.compile(r"^\((\d+)/(\d+)\)\n")


def test_what_fits_is_left_alone() -> None:
    assert split("Bonjour", 9) == ["Bonjour"]
    assert split("", 10) == [""]


def test_a_paragraph_a_line_a_sentence_a_word_end_a_part_in_this_order() -> None:
    filling = "mot " * 30
    for pause in ("\n\n", "\n", ". ", " "):
        text = f"{filling.strip()}{pause}{filling.strip()}"
        first, *rest = split(text, measure(text) - 80)
        assert len(rest) >= 1
        assert first.endswith("mot." if pause == ". " else "mot")
        assert not rest[0].startswith(("\n", " "))
    text = f"{'a ' * 70}\n\n{'b. ' * 20}{'c ' * 40}"
    assert split(text, 240)[0] == "(1/2)\n" + ("a " * 70).strip()


def test_no_letter_is_torn_from_its_accent_and_no_family_apart() -> None:
    for one in ("e\u0301", "👩\u200d⚕\ufe0f"):
        for part in split(one * 200, 120):
            said = NUMBER.sub("", part)
            assert said == one * (len(said) // len(one))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab é\n.\u20ac\U0001f600"'), max_size=1500), st.integers(100, 400))
def test_every_word_arrives_once_and_in_order(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(measure(part) <= most for part in parts)
    said = "".join(NUMBER.sub("", part) for part in parts) if len(parts) > 1 else parts[0]
    assert re.sub(r"\s", "", said) == re.sub(r"\s", "", text)
    if len(parts) > 1:
        assert [NUMBER.match(part)[0] for part in parts] == [f"({n}/{len(parts)})\n" for n in range(1, len(parts) + 1)]  # type: ignore[index]
