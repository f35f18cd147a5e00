"""HTML that multiplies when it is cleaned is left out, whatever it looks like; what people write is not."""

from __future__ import annotations

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.parts.markup import MOST_TAGS, cheap

PIECES = [
    "<b {n}>",
    "<B\n{n}>",
    "<i x{n}=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy>",
    "<p>",
    "</b>",
    "<table>",
    "<div>",
    "x",
    "<code class=a{n}>",
]


def repeated(pieces: list[str], times: int) -> str:
    """The pieces again and again, each a little different."""
    return "".join(piece.format(n=n) for n in range(times) for piece in pieces)


@pytest.mark.parametrize(
    "piece", ["<p><b {n}>", "<table><b {n}>", "<b {n}><b x={n}><p>", "<P><CODE\nclass=language-{n}>"]
)
def test_what_multiplies_is_dear(piece: str) -> None:
    assert cheap(repeated([piece], 20))
    assert not cheap(repeated([piece], 900))


def test_what_people_write_is_cheap() -> None:
    listed = "<ul>" + "<li><b>Amoxicilline</b> 500 mg, <i>matin et soir</i></li>" * 60 + "</ul>"
    table = "<table>" + "<tr><td>Hb</td><td>13,2</td><td>g/dL</td></tr>" * 200 + "</table>"
    assert cheap(listed)
    assert cheap(table)
    assert cheap("<p>Bonjour <a href='https://exemple.fr/un/long/lien'>ici</a></p>" * 100)
    assert not cheap("<div>" * (MOST_TAGS + 1))


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), st.integers(1, 400))
def test_what_is_cheap_stays_small(pieces: list[str], times: int) -> None:
    html = repeated(pieces, times)
    if cheap(html):
        attributes = {"code": {"class"}, "i": {f"x{n}" for n in range(400)}, "b": set[str]()}
        assert len(nh3.clean(html, attributes=attributes, link_rel=None)) < 8_000_000
