"""Text and HTML of one mail say the same, and any input at all is taken apart in bounded work."""

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.networks.mail.mime.safe_html import clean, to_text
from bridge.networks.mail.quoting.new_text import MOST_LINES, forwarded, visible

SAID = "Le 12/03/2026 à 10:15, Paul Durand a écrit :"
BLOCK = "De : Paul Durand <paul@x.example>\nEnvoyé : jeudi 12 mars 2026 10:15\nÀ : Marie\nObjet : INR\n\nAlors ?"


# Two sides.


def test_the_html_side_shows_a_quotation_that_the_text_does_not_announce() -> None:
    html = '<p>Vu, merci.</p><blockquote type="cite"><p>Quel INR ?</p></blockquote>'
    seen = visible("Vu, merci.\n\n> Quel INR ?", html)
    assert (seen.text, seen.quoted) == ("Vu, merci.", "> Quel INR ?")
    assert seen.html is not None
    assert to_text(seen.html) == "Vu, merci."


def test_a_text_without_marks_is_cut_where_the_html_is() -> None:
    html = '<div>Vu.</div><div class="gmail_quote"><div>Le 12/03/2026 10:15 Paul a écrit :</div><blockquote>Quel INR ?'
    seen = visible("Vu.\n\nLe 12/03/2026 10:15 Paul a écrit :\nQuel INR ?", html)
    assert (seen.text, seen.quoted) == ("Vu.", "Le 12/03/2026 10:15 Paul a écrit :\nQuel INR ?")


def test_html_that_says_something_else_is_not_shown() -> None:
    seen = visible(f"Vu.\n\n{SAID}\n> Quel INR ?", "<p>Tout autre chose.</p>")
    assert (seen.text, seen.html) == ("Vu.", None)


def test_html_with_more_than_the_text_is_not_cut_by_it() -> None:
    html = f"<p>Vu.</p><p>Dose : dix.</p><p>{SAID}</p><blockquote type=cite>Quel INR ?</blockquote>"
    seen = visible(f"Vu.\n\n{SAID}\n> Quel INR ?", html)
    assert seen.html is None or "Dose" in seen.html


def test_what_is_not_cut_keeps_its_html_untouched() -> None:
    html = "<table><tr><td>K<td>5,1</table>"
    assert visible("K 5,1", html).html == html
    assert visible("K 5,1", "<p>" * 100_000).html == "<p>" * 100_000


def test_pictures_before_the_quotation_stay() -> None:
    html = (
        f'<div>Plaie :<br><img src="cid:plaie"></div><p>{SAID}</p><blockquote type="cite"><img src="cid:logo">Photo ?'
    )
    seen = visible(f"Plaie :\n\n{SAID}\n> Photo ?", html)
    assert seen.html is not None
    assert "cid:plaie" in seen.html
    assert "cid:logo" not in seen.html


def test_tables_of_results_survive() -> None:
    table = "<table><tr><th>K</th><td>5,1</td></tr><tr><th>Na</th><td>140</td></tr></table>"
    seen = visible("", f"{table}<p>{SAID}</p><blockquote type='cite'>Iono ?</blockquote>")
    assert seen.text == "K 5,1\nNa 140"
    assert seen.html is not None
    assert clean(seen.html, {}).count("<td>") == 2


def test_a_blockquote_that_only_indents_is_no_quotation() -> None:
    html = "<p>Avis :</p><blockquote><p>Scanner</p><p>IRM</p><p>Biopsie</p></blockquote>"
    seen = visible("", html)
    assert seen.text == "Avis :\n\nScanner\n\nIRM\n\nBiopsie"
    assert seen.html == html


def test_an_outlook_border_without_header_fields_is_no_quotation() -> None:
    html = '<p>Avis.</p><div style="border-top:solid #E1E1E1 1.0pt"><p>Scanner normal.</p></div>'
    assert visible("", html).text == "Avis.\n\nScanner normal."


# Any input.

FRAGMENTS = [
    "Vu.", "OK", "", "", ">", "> Alors ?", ">> hier", SAID, "Le 12/03/2026 à 10:15, Paul", "<paul@x.example> a écrit :",
    "De : Paul <paul@x.example>", "Envoyé : jeudi 12 mars 2026 10:15", "À : Marie", "Objet : INR", "Objet", "-- ", "--",
    "________________________________", "-----Message d'origine-----", "---------- Forwarded message ---------",
    "Dr Marie Martin", "Tél. 05 55 00 00 12", "Cordialement,", "Envoyé de mon iPhone", "Mes réponses ci-dessous",
    "Si vous avez reçu ce message par erreur, merci de le détruire ; il est confidentiel.",
    "> 5 mmol/l", "\u00a0", "\ufeff",
    "-----Paul <paul@x.example> a écrit : -----", "> Message du 12/03/26 10:15", "Paul <paul@x.example> a écrit :",
]  # fmt: skip
LINES = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=20)), max_size=30)
TAGS = st.sampled_from(
    [
        "<p>", "</p>", "<br>", '<blockquote type="cite">', "</blockquote>", '<div class="gmail_quote">', "</div>",
        "<table>", "<td>", "<pre>", '<div id="Signature">', '<hr id="zwchr" data-marker="__DIVIDER__">', "<!--",
        "&nbsp;", "<img src=x>",
    ]
)  # fmt: skip
PAGES = st.lists(st.one_of(TAGS, st.sampled_from(FRAGMENTS), st.text(max_size=10)), max_size=30).map("\n".join)


@given(LINES)
@settings(max_examples=400, deadline=None)
def test_cutting_twice_is_cutting_once(lines: list[str]) -> None:
    once = visible("\n".join(lines), None)
    assert visible(once.text, None).text == once.text


@given(LINES, st.one_of(st.none(), PAGES), st.sampled_from(["", "RE: x", "TR: x"]))
@example([">", ">", ">", "-- ", "Vu."], None, "")  # only without the signature it looks like a quotation
@settings(max_examples=300, deadline=None)
def test_nothing_is_invented_or_lost(lines: list[str], html: str | None, subject: str) -> None:
    text = "x\n" + "\n".join(lines)
    seen = visible(text, html, subject)
    whole = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    parts = [*seen.text.split("\n"), *seen.quoted.split("\n"), *seen.signature.split("\n")]
    assert set(parts) <= {*whole, ""}
    assert sorted(line for line in parts if line.strip()) == sorted(line for line in whole if line.strip())
    assert seen.text.strip()
    assert seen.sure or (seen.quoted, seen.signature) == ("", "")


@given(st.one_of(PAGES, st.text(max_size=200)))
@settings(max_examples=300, deadline=None)
def test_any_html_alone_is_read(html: str) -> None:
    seen = visible("", html)
    assert seen.html is not None
    if not seen.quoted and not seen.signature:
        assert seen.html == html


HOSTILE = {
    "fields": "De : a\n",
    "block": BLOCK + "\n",
    "said": SAID + "\n",
    "opened": "Le 12 mars 2026 à 10:15, a\n",
    "quoted": "> a\n",
    "rules": "____________\n",
    "dashes": "--\n",
    "closing": "Cordialement,\n05 55 00 00 12\n",
    "blank": "\n",
    "disclaimer": "Ce message \n",
    "phone": "Envoyé de mon iPhone\n",
    "inline": SAID + "\n> a\nb\n",
    "dashed": "-----Paul a écrit\n",
    "to": "De : a@b.fr\nÀ : \nc\n",
}
LONG = [
    ">",
    "-",
    "_",
    " ",
    "a",
    "@",
    "a@",
    "Le 12/03/2026 ",
    "a écrit :",
    "*",
    "De :",
    "\u00a0",
    "<http://",
    "[cid:",
    "0 ",
]


def steps(text: str) -> int:
    """How many functions are called for it: what time depends on, without a clock."""
    count = 0

    def called(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        visible(text, None)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_work_grows_with_the_size_only(piece: str) -> None:
    few, many = steps("Vu.\n" + piece * 200), steps("Vu.\n" + piece * 800)
    assert many < 5 * few + 2000


@pytest.mark.parametrize("piece", LONG)
def test_long_lines_are_read_to_a_limit(piece: str) -> None:
    line = (piece * 300_000)[:300_000]
    assert visible(f"Vu.\n{line}x", None).text == f"Vu.\n{line}x"
    assert visible("", f"<p>Vu.<p>{line}x").html


def test_too_many_lines_are_left_whole() -> None:
    text = "Vu.\n" * MOST_LINES + SAID + "\n> a"
    seen = visible(text, None)
    assert (seen.text, seen.sure) == (text, False)
    assert not forwarded("x" * 2_000_000)


def test_control_characters_harm_nothing() -> None:
    seen = visible("", f"<p>Vu\x02&#1;.</p><p>{SAID}</p>\x03<blockquote type=cite>a\x01</blockquote>\x04")
    assert seen.html is not None
    assert seen.quoted.startswith(SAID)
