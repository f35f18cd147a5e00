"""HPRIM as people read it: nothing twice, one table, marks above what is long, and the file as a mail's own text."""

from __future__ import annotations

import pytest

from bridge.networks.mail.documents import read
from bridge.networks.mail.documents.laboratory import card as laboratory_card
from tests.mail.documents import make
from tests.mail.documents import test_hprim as hprims

# said once

AGAIN = [
    "****LAB****", "TEX|IONOGRAMME", "TEX|SODIUM                 143  mEq/l  132 à 146",
    "RES|SODIUM|NA|N|143|mEq/l|132|146|N|F", "TEX|POTASSIUM              6,9 *mEq/l  (3,5 - 4,8)",
    "RES|POTASSIUM|K|N|6.9|mEq/l|3.5|4.8|HH|F", "TEX|CRP : 48 mg/l (< 5)", "RES|CRP|C|N|48|mg/l||5||F",
    "TEX|Conclusion : à contrôler", "TEX|", "TEX|Cordialement",
]  # fmt: skip


def test_nothing_is_said_twice_and_there_is_one_table() -> None:
    whole = hprims.text(lines=AGAIN).replace(
        "\r\n".join(hprims.LETTER),
        "\r\n".join([*hprims.LETTER, "", "Sodium  143 mEq/l  132 à 146", "CONCLUSION : à  contrôler", ""]),
    )
    card = laboratory_card.card(hprims.one(whole))
    assert card.text.partition("\n\n")[2] == (
        "Chère consœur,\nvoici les résultats prélevés à 8 h : fièvre 39°.\n\nIONOGRAMME\n"
        "SODIUM : 143 mEq/l (132 – 146)\nPOTASSIUM : 6.9 mEq/l ▲▲ (3.5 – 4.8)\nCRP : 48 mg/l ▲ (≤ 5)\n"
        "Conclusion : à contrôler\n\nCordialement"
    )
    assert card.html.count("<table>") == card.html.count("<th>Analyse</th>") == 1
    assert card.html.count("POTASSIUM") == card.html.count("143") == 1


@pytest.mark.parametrize(
    "line",
    [
        "SODIUM 143 mEq/l 132 à 146 141",  # a former value
        "SODIUM 143 mEq/l 132 à 146 132",  # a former value that is one of the limits
        "SODIUM 143 *mEq/l 132 à 146",  # a mark that the result has not
        "SODIUM -143 mEq/l", "SODIUM 143 mEq/l hémolysé", "SODIUM", "143", "SODIUM 143,0",
        "SODIUM 143 mEq/l 132 à 146 (12/05/2026)", "SODIUM < 143 mEq/l",
    ],
)  # fmt: skip
def test_a_line_that_says_more_stays(line: str) -> None:
    card = laboratory_card.card(
        hprims.one(hprims.text(lines=["****LAB****", f"TEX|{line}", "RES|SODIUM|NA|N|143|mEq/l|132|146|N|F"]))
    )
    assert f"\n{line}\nSODIUM : 143 mEq/l (132 – 146)" in card.text


def test_what_is_marked_in_a_long_record_stands_above_it() -> None:
    values = [f"RES|Analyse {n}|A|N|{n}|g/L|0|9||F" for n in range(80)]
    short = laboratory_card.card(hprims.one(hprims.text(lines=["****LAB****", *values])))
    assert short.text.count("Analyse 79 : 79 g/L ▲ (0 – 9)") == 1
    remarks = [f"TEX|Remarque {n} {'x' * 100}" for n in range(100)]
    long = laboratory_card.card(hprims.one(hprims.text(lines=["****LAB****", *remarks, *values])))
    head = long.text.partition("\n\n")[0]
    assert "\nHors limites : Analyse 10 : 10 g/L ▲ (0 – 9)\n" in head
    assert head.count("Hors limites : Analyse") == 60
    assert head.endswith("… et 10 autres valeurs signalées")
    assert "<strong>Hors limites : Analyse 10 : 10 g/L ▲ (0 – 9)</strong>" in long.html


def test_texts_between_results_are_rows_of_the_one_table() -> None:
    lines = ["****LAB****", "RES|Na|N|N|143", "TEX|BIOCHIMIE", "TEX|(automate <X>)", "RES|K|K|N|4"]
    card = laboratory_card.card(hprims.one(hprims.text(lines=lines)))
    assert (
        '<td colspan="4">BIOCHIMIE</td></tr><tr><td colspan="4">(automate &lt;X&gt;)</td></tr><tr><td>K</td>'
        in card.html
    )


# as the mail's body


def test_a_mail_that_is_the_file_itself() -> None:
    body = (make.GOLDEN.parent / "cases" / "hprim-body.txt").read_text("utf-8")
    found = read([], body=body)
    assert [sorted(one.families) for one in found.patients] == [["MARTIN"]]
    assert "POTASSIUM : 6.9 mEq/l ▲▲ (3.5 – 4.8)\n" in found.cards[0].text + "\n"
    assert found.rest == ""


def test_what_stands_after_the_file_is_the_letter_that_is_left() -> None:
    found = read([], body=hprims.WHOLE.replace("\r\n", "\n") + "\n--\nLaboratoire de l'Étoile\n")
    assert found.rest == "--\nLaboratoire de l'Étoile"
    assert found.problems == ()
    assert "Hors limites : 3 sur 5" in found.cards[0].text


def test_a_long_letter_costs_little() -> None:
    """Blank lines once cost the square of their number: these here would take minutes."""
    for body in ("\n" * 200_000 + "fin", "*" * 200_000, " " * 200_000, "**** " * 40_000, "\n****" * 40_000):
        assert read([], body=body) == read([])


def test_a_file_with_very_many_lines_is_shown_as_it_is() -> None:
    lines = ["****LAB****", *["TEX|Na 143", "RES|Na|N|N|143"] * 2000]
    card = laboratory_card.card(hprims.one(hprims.text(lines=lines)))
    assert card.text.count("Na 143") == card.text.count("Na : 143") == 2000


@pytest.mark.parametrize(
    "body",
    [
        "Bonjour,\nmerci.\n\n> " + hprims.WHOLE.replace("\r\n", "\n> "),
        "Bonjour,\nmerci.\n-----Message d'origine-----\nDe : labo\n\n\n\n" + hprims.WHOLE.replace("\r\n", "\n"),
        "Le repère ****FIN**** manque dans votre fichier.",
        "****FIN****",
        "",
    ],
)
def test_a_letter_about_such_a_file_is_a_letter(body: str) -> None:
    assert read([], body=body) == read([])
