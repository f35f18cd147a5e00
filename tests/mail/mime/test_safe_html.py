"""HTML of mails: nothing loads, nothing runs, results stay readable."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.networks.mail.mime.safe_html import MOST_TAGS, clean, content_ids, to_text

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/pixel.gif' width=1 height=1>",
    "<img src=data:image/svg+xml;base64,PHN2Zy8+>",
    "<img srcset='https://evil.example/2x.png 2x' src='cid:ok'>",
    "<img src='cid:ok' onload=alert(1) style='background:url(https://evil.example)'>",
    "<svg onload=alert(1)><image href='https://evil.example/x.png'/></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVa\tScRiPt:alert(1)'>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='java\u200bscript:alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<a href='//evil.example'>x</a>",
    "<a href='https://ok.example' onclick=alert(1) ping='https://evil.example' target=_blank>x</a>",
    "<body background='https://evil.example/x.png' onload=alert(1)>x</body>",
    "<table background='https://evil.example/x.png'><tr><td background='https://evil.example/y'>x</table>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<div style='background-image:url(https://evil.example/x.png)'>x</div>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<iframe src='https://evil.example'></iframe><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='https://evil.example/x.swf'></object><embed src='https://evil.example/x.swf'>",
    "<video poster='https://evil.example/x.png' src=x><source src='https://evil.example/x'></video>",
    "<audio src='https://evil.example/x.mp3' autoplay></audio>",
    "<form action='https://evil.example'><input name=x><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example/'><a href='x'>x</a>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea><p title='</textarea><img src=x onerror=alert(1)>'></textarea>",
    "<title><p title='</title><img src=x onerror=alert(1)>'></title>",
    "<!--><img src=x onerror=alert(1)>--><!--[if mso]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo '<script>alert(1)</script>' ?>",
    "<xml><o:OfficeDocumentSettings><script>alert(1)</script></o:OfficeDocumentSettings></xml>",
    "<v:imagedata src='https://evil.example/x.png' o:href='https://evil.example'/>",
    "<template><img src=x onerror=alert(1)></template>",
    "<a href='https://ok.example\" onmouseover=\"alert(1)'>x</a>",
    "<p title='\"><script>alert(1)</script>'>x</p>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "<<script>alert(1)//<</script>",
    "<img alt='\"><script>alert(1)</script>' src=x>",
    "<table><td><a href='cid:ok'>x</a></td></table>",
]
_TAG = re.compile(r"<\s*(/?)([a-zA-Z0-9:]+)([^>]*)>")
_MAY = {
    "a": {"href"}, "img": {"src", "alt", "width", "height"}, "ol": {"start"},
    "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"},
}  # fmt: skip


def assert_harmless(html: str) -> None:
    for _, tag, rest in _TAG.findall(html):
        assert tag not in (
            "script",
            "style",
            "iframe",
            "svg",
            "math",
            "object",
            "embed",
            "form",
            "input",
            "link",
            "meta",
        )
        attributes = dict(re.findall(r'([a-zA-Z:-]+)="([^"]*)"', rest))
        assert set(attributes) <= _MAY.get(tag, set()), (tag, rest)
        assert attributes.get("src", "cid:").startswith("cid:")
        assert attributes.get("href", "https:").split(":")[0] in ("http", "https", "mailto", "tel")


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(attack: str) -> None:
    for html in (attack, f"<html><body><p>avant</p>{attack}<p>après</p></body></html>"):
        cleaned = clean(html, ["ok"])
        assert_harmless(cleaned)
        assert clean(cleaned, ["ok"]) == cleaned
    assert "evil.example" not in clean(attack, ["ok"])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([*ATTACKS, "<p>", "</p>", "<table>", "<b", ">", "'", '"', "<!--", "-->", "&lt;", "é"])))
def test_attacks_in_any_mixture(pieces: list[str]) -> None:
    html = "".join(pieces)
    assert_harmless(clean(html, ["ok"]))
    to_text(html)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="<>/='\"ab &#;!-\n\u202eé", max_size=200))
def test_any_text_is_cleaned(html: str) -> None:
    assert_harmless(clean(html))
    to_text(html)


def test_tables_of_results_survive() -> None:
    html = (
        "<table border=1><tr><th colspan=2>Hémoglobine</th><th rowspan='2'>Norme</th></tr>"
        "<tr><td>12,3</td><td style='font-weight:bold;color:red'>g/dL</td><td colspan='x'>13-17</td></tr></table>"
    )
    assert clean(html) == (
        '<table><tbody><tr><th colspan="2">Hémoglobine</th><th rowspan="2">Norme</th></tr>'
        "<tr><td>12,3</td><td><strong>g/dL</strong></td><td>13-17</td></tr></tbody></table>"
    )
    assert to_text(html) == "Hémoglobine | | Norme\n12,3 | g/dL | | 13-17"  # below "Norme" is its own second row


def test_struck_out_text_stays_struck_out() -> None:
    assert (
        clean("<p><span style='text-decoration: line-through'>allergie</span></p>")
        == "<p><span><s>allergie</s></span></p>"
    )


def test_every_value_of_a_table_stands_in_its_column() -> None:
    html = (
        "<table><thead><tr><th rowspan=2>Analyse</th><th colspan=2>Résultats</th></tr>"
        "<tr><th>02/01</th><th>01/01</th></tr></thead><tbody><tr><td>Na</td><td></td><td>131</td></tr><tr><td></td><td><p>4,1</p><p>hémolysé</p></td>"
        "<td>3,9<br>mmol/L</td></tr></tbody></table>Fin"
    )
    assert to_text(html) == "Analyse | Résultats\n| 02/01 | 01/01\nNa | | 131\n| 4,1 ; hémolysé | 3,9 ; mmol/L\nFin"
    for odd in ("<td>", "<tr>", "</td></td>", "<table>", "</table>", "<s><tr>", "<td rowspan=99 colspan=99>"):
        for place in range(0, len(html), 7):
            assert "Fin" in to_text(html[:place] + odd + html[place:])


def test_the_text_says_what_is_struck_out_raised_and_lowered() -> None:
    assert to_text("<p>Allergie : <del>aucune</del> pénicilline</p>") == "Allergie : [barré : aucune] pénicilline"
    assert to_text('<p>AVK <span style="text-decoration: line-through">2 mg</span> 4 mg</p>') == (
        "AVK [barré : 2 mg] 4 mg"
    )
    assert to_text("<s>un<br>deux</s><p><s></s>trois</p>") == "[barré : un]\n[barré : deux]\n\ntrois"
    assert to_text("8,2 10<sup>9</sup>/L, 1,73 m<sup>2</sup>, log<sub>10</sub>5, 1<sup>er</sup>") == (
        "8,2 10⁹/L, 1,73 m², log₁₀5, 1er"
    )
    assert to_text(
        "<table><tr><td>GB</td><td>10<sup>9</sup>/L</td></tr><tr><td><s>AVK</s></td><td>b</td></tr></table>"
    ) == ("GB | 10⁹/L\n[barré : AVK] | b")


def test_pictures_only_when_the_mail_brings_them() -> None:
    html = '<p><img src="cid:a%40b" alt="x"><img src="cid:other"><img src="https://t.example/1" alt="logo"></p>'
    assert clean(html, ["a@b"]) == '<p><img src="cid:a@b" alt="x">[logo]</p>'
    assert clean(html) == "<p>[x][logo]</p>"
    assert content_ids(html) == {"a@b", "other"}


def test_hidden_text_goes_and_what_follows_stays() -> None:
    html = "a<div style='display:none'>caché</div>b<span hidden>c</span>d<p style='mso-hide:all'>e</p>f"
    assert re.sub("<[^>]+>", "", clean(html)) == "abdf"
    assert to_text(html) == "abdf"


def test_marks_that_turn_or_hide_text_go() -> None:
    assert clean("<p>a&#8238;b&#x200b;c\u2066d</p>") == "<p>abcd</p>"
    assert to_text("<p>a&#8238;b&#x200b;c\u2066d</p>") == "abcd"
    assert clean('<a href="https://x.fr/\u202ea">x</a>') == '<a href="https://x.fr/a">x</a>'


def test_outlook() -> None:
    html = (
        "<html xmlns:o='urn:x'><head><style>p.MsoNormal{}</style></head><body lang=FR><div class=WordSection1>"
        "<p class=MsoNormal>Bonjour&nbsp;Anna,<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>"
        "<!--[if !supportLists]-->1.<!--[endif]--><p>Merci</p></div></body></html>"
    )
    assert to_text(html) == "Bonjour Anna,\n\n1.\n\nMerci"
    assert "<p>Merci</p>" in clean(html)


def test_text_of_lists_links_quotes_and_layout() -> None:
    html = (
        "<p>Voir <a href='https://x.fr/a'>le site</a>, <a href='https://y.fr'>y.fr</a>, "
        "<a href='mailto:anna@x.fr'>Anna</a></p><ul><li>un</li><li>deux<ol start=3><li>x<li>y</ol></li></ul>"
        "<blockquote>cité<br>deux<blockquote>plus</blockquote></blockquote><hr>"
        "<table><tr><td><table><tr><td>gauche</td></tr></table></td><td>droite</td></tr></table><pre>a\n  b</pre>"
    )
    assert to_text(html) == (
        "Voir le site (https://x.fr/a), y.fr, Anna (mailto:anna@x.fr)\n\n- un\n- deux\n  3. x\n  4. y\n"
        "> cité\n> deux\n> > plus\n--------------------\ngauche\ndroite\n\na\n  b"
    )


@pytest.mark.parametrize(
    "html", ["", " ", "\x00", "<", "<!-- x", "<html></html>", "&#xD800;", "<?xml version='1.0' encoding='x'?>"]
)
def test_next_to_nothing(html: str) -> None:
    assert clean(html) in ("", "&lt;", "<p>&lt;</p>", "\ufffd", "<p>\ufffd</p>")
    assert to_text(html) in ("", "<", "\ufffd")


@pytest.mark.parametrize("deep", ["<div>" * 5000, "<b><i>" * 5000, "<table><tr><td>" * 3000, "<blockquote>" * 5000])
def test_what_is_too_deep_keeps_its_text(deep: str) -> None:
    assert to_text(deep + "le <b>texte</b> &eacute;") == "le texte é"
    assert clean(deep + "le texte <script>x") == "<p>le texte</p>"


@pytest.mark.parametrize("wide", ["<p>a</p>", "a&amp;", "<br>", "<li>", "<a href=x>", "<!--", "<![if x]>"])
def test_what_is_too_wide_becomes_text(wide: str) -> None:
    html = wide * (MOST_TAGS + 1)
    assert len(to_text(html, 1000)) <= 1000
    assert_harmless(clean(html))
