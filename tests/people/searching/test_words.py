"""The words under which people are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.people.searching.entry import Entry, Workplace
from bridge.people.searching.folding import arrondissement, department_of, fold, name_words, town_words
from bridge.people.searching.index_words import MISTYPED, words_of

LE_GOFF = Entry(
    "rpps:10001000001",
    "person",
    "LE GOFF-D'ARCY",
    "Jean-Pierre",
    profession="Médecin",
    specialities=("Cardiologie et maladies vasculaires (SM)",),
    places=(
        Workplace("CHU de Lyon", "LYON 3E ARRONDISSEMENT", "69003"),
        Workplace("", "ST ETIENNE CEDEX 2", "42055", "42"),
    ),
    boxes=("jp.legoff@mss.example",),
)
WORDS = """
ccardiolog cmaladi cmedecin cvasculair farcy fdarcy fgoff flegoff flegoffdarcy gjean gjeanpierre gpierre
i10001000001 jj jjp mjplegoffmssexample ochu ohopital olyon sarsi sdarsi sgof slegof slegofdarsi t42 t42055 t69
t69003 tetienne tlyon tsaintetienne
"""


def test_an_entry_is_found_under_names_craft_places_and_numbers() -> None:
    assert words_of(LE_GOFF) == set(WORDS.split())


def test_nobody_finds_the_red_listed_and_those_who_have_closed() -> None:
    assert words_of(replace(LE_GOFF, red=True)) == words_of(replace(LE_GOFF, closed=True)) == set()


def test_a_service_is_found_by_its_name_and_by_what_it_does() -> None:
    box = Entry("mail:cardio@ch.example", "service", "SECRÉTARIAT CARDIOLOGIE", organisation="CH d'Annecy")
    assert {"fsecretariat", "fcardiologie", "ccardiolog", "och", "oannecy"} <= words_of(box)
    assert not {word for word in words_of(box) if word[0] in "gs"}


def test_other_national_numbers_are_found_with_and_without_their_kind() -> None:
    assert {"i0331234567", "i331234567"} <= words_of(Entry("idnps:0331234567", "person", "Roux"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MARTIN", "martin"),
        ("Lefèvre", "lefevre"),
        ("Dupont-Moretti", "dupont moretti dupontmoretti"),
        ("D’ALMEIDA", "almeida dalmeida"),
        ("de la Tour du Pin", "tour pin delatour dupin delatourdupin"),
        ("SAINT-MARTIN", "martin saintmartin"),
        ("St Martin", "martin saintmartin"),
        ("Ste", "ste"),
        ("LE", "le"),
        ("Œuvrard ÇELİK", "oeuvrard celik oeuvrardcelik"),
        ("N'GUYEN", "n guyen nguyen"),
        ("", ""),
        ("--", ""),
        ("X" * 90, "x" * 40),
    ],
)
def test_names(name: str, words: str) -> None:
    assert name_words(name) == set(words.split())


@pytest.mark.parametrize(
    ("town", "words"),
    [
        ("AIX EN PROVENCE CEDEX 1", "aix provence aixenprovence"),
        ("PARIS 15", "paris 75015"),
        ("Marseille 8e Arrondissement", "marseille 13008"),
        ("LYON 12", "lyon"),
        ("L'Haÿ-les-Roses", "hay roses lhaylesroses"),
        ("54511 VANDOEUVRE", "vandoeuvre"),
    ],
)
def test_towns(town: str, words: str) -> None:
    assert town_words(town) == set(words.split())


@pytest.mark.parametrize(
    ("postcode", "department"),
    [("33000", "33"), ("20090", "2a"), ("20200", "2b"), ("97400", "974"), ("3300", ""), ("", "")],
)
def test_departments(postcode: str, department: str) -> None:
    assert department_of(postcode) == department


def test_only_great_cities_have_numbered_parts() -> None:
    assert arrondissement("paris", "1er") == "75001"
    assert arrondissement("lille", "3") is None
    assert arrondissement("paris", "21") is None


def test_every_word_is_plain_and_says_its_kind() -> None:
    odd = Entry("rpps:10001000002", "person", "Ñandú ﬁancé 王", "Zoë ½", places=(Workplace("№ 5 «Été»", "Ÿ", "?"),))
    for word in words_of(odd):
        assert (word.isascii(), word.isalnum(), word.lower()) == (True, True, word)
        assert word[0] in MISTYPED + "ijms"
    assert fold("¼ Ⅷ") == ("1", "4", "viii")
