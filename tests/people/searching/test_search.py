"""Who comes before whom, and who does not come at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.model import Address
from bridge.people.searching.asked import understood
from bridge.people.searching.crafts import craft_words, stem
from bridge.people.searching.entry import Entry, Workplace
from bridge.people.searching.establishments import house_words
from bridge.people.searching.memory import MemoryTerms
from bridge.people.searching.search import CANDIDATES, NOBODY, Asking, Search
from bridge.people.searching.sounds import sound
from bridge.people.searching.typing_errors import alike, one_off

LYON, NICE = Workplace("CHU de Lyon", "LYON", "69003"), Workplace("Clinique du Port", "NICE", "06000")


def martin(number: int, given: str = "Anna", family: str = "Martin", place: Workplace = NICE) -> Entry:
    return Entry(f"rpps:1000000000{number}", "person", family, given, profession="Médecin", places=(place,))


async def found(query: str, *entries: Entry, asking: Asking = NOBODY) -> str:
    """The last digits of those who are found, in order."""
    return "".join(one.entry.id[-1] for one in await Search(MemoryTerms(entries)).find(query, 10, asking))


async def test_the_order_that_a_clinician_expects() -> None:
    own = martin(9, "Ben", "Durand", LYON)
    entries = [
        martin(1),
        replace(martin(2), boxes=("a@b.example",)),
        replace(martin(3), accounts=(Address("pandalab", "x"),)),
        martin(4, place=Workplace("Cabinet", "LYON", "69001")),
        martin(5, place=LYON),
        replace(martin(6), boxes=("c@b.example",)),
    ]
    assert await found("martin", *entries) == "326145"
    asking = Asking(own.id, (entries[0].id,), lambda entry: 2 if entry.id[-1] in "36" else len(entry.boxes))
    assert await found("martin", own, *entries, asking=asking) == "154362"


async def test_whole_before_beginning_family_before_given_and_exact_before_nearly() -> None:
    entries = [
        martin(1, "Martine", "Petit"), martin(2, "Léa", "Martinez"), martin(3, "Martin", "Petit"), martin(4),
        martin(5, "Léa", "Marin"),
    ]  # fmt: skip
    assert await found("martin", *entries) == "4321"
    assert await found("martn", *entries) == "453"
    assert await found("MARTIN", *entries[:2]) == "21"


async def test_a_second_name_is_a_name() -> None:
    entry = replace(martin(1, "Léa", "Petit"), other_names=("Le Roux",))
    for query in ("petit lea", "roux lea", "leroux", "le roux", "Léa LE ROUX"):
        assert await found(query, entry) == "1", query


@pytest.mark.parametrize("query", ["martin anna nice", "martin", "10000000001", "a@b.example", "martyn anna", "nice"])
async def test_the_red_listed_and_the_closed_are_found_by_nothing(query: str) -> None:
    red = replace(martin(1), red=True, boxes=("a@b.example",))
    assert await found(query, red, replace(red, red=False, closed=True, id="rpps:10000000002")) == ""
    assert await found(query, red, asking=Asking(red.id, (red.id,), lambda entry: 2)) == ""


async def test_one_part_may_be_wrong_and_is_left_out() -> None:
    assert await found("anna martin zorglub", martin(1)) == "1"
    assert await found("martin cardiologue", martin(1)) == "1"
    assert await found("zorglub nice", martin(1)) == ""  # nothing of a name is left
    assert await found("anna zorglub quux", martin(1)) == ""


@pytest.mark.parametrize(
    "query", ["", "  ", "-", "@", "@@@", "dr", "王", "a" * 5000, "a " * 300, "x@", "' OR 1=1 --", "*"]
)
async def test_odd_queries_do_no_harm(query: str) -> None:
    assert await found(query, martin(1, "Zoé", "Petit", LYON)) == ""
    assert len(understood(query).parts) <= 8


async def test_of_very_many_those_nearby_are_read_as_well() -> None:
    crowd = [replace(martin(0), id=f"rpps:2{n:010}") for n in range(CANDIDATES + 50)]
    near = replace(martin(7, place=LYON), id="rpps:99999999997")
    own = martin(9, "Ben", "Durand", LYON)
    assert (await found("martin", own, near, *crowd, asking=Asking(own.id)))[0] == "7"


async def test_of_very_many_the_likeliest_are_read_as_well() -> None:
    named, housed = (
        martin(0, "Martin", "Petit", LYON),
        martin(0, "Anna", "Petit", replace(LYON, structure="Clinique Martin")),
    )
    crowd = [
        replace(one, id=f"rpps:1{n:010}", boxes=("a@b.example",)) for n in range(CANDIDATES) for one in (named, housed)
    ]
    last = replace(martin(7, place=LYON), id="rpps:99999999997")
    for query in ("martin", "martin lyon", "dr martin anna lyon", "anna martin", "médecin martin"):
        assert (await found(query, last, *crowd))[0] == "7", query


async def test_a_word_in_two_pieces_and_two_errors_in_a_long_one() -> None:
    assert await found("beau mont", martin(1, family="Beaumont")) == "1"
    assert await found("charpentyez", martin(1, family="Charpentier")) == "1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lefevre", "lefebvre"), ("gauthier", "gotier"), ("philippe", "filipe"), ("quemeneur", "kemeneur"),
        ("schneider", "shneider"), ("durand", "durant"), ("leveque", "levesque"), ("meyer", "maier"),
        ("renaud", "reno"), ("thibaud", "tibo"), ("henry", "enri"), ("guyot", "guiot"), ("wagner", "vagner"),
    ],
)  # fmt: skip
def test_names_that_sound_alike(one: str, other: str) -> None:
    assert sound(one) == sound(other)


def test_names_that_do_not_sound_alike() -> None:
    names = ["martin", "moulin", "marchand", "bernard", "girard", "gerard", "roux", "roy", "robin", "rousseau", "petit"]
    assert len({sound(name) for name in names}) == len(names)
    assert sound("le") == ""


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        ("cardiologue", "Cardiologie et maladies vasculaires (SM)"), ("orl", "Oto-rhino-laryngologie (SM)"),
        ("pediatre", "Pédiatrie (SM)"), ("kine", "Masseur-Kinésithérapeute"), ("mg", "Médecine Générale (SM)"),
        ("generaliste", "Spécialiste en Médecine Générale (SM)"), ("ide", "Infirmier"), ("infirmiere", "Infirmier"),
        ("urgentiste", "Médecine d'urgence (SM)"), ("pharma", "Pharmacien"), ("psy", "Psychologue"),
        ("anesth", "Anesthésie-réanimation (SM)"), ("rea", "Réanimation médicale (SM)"),
        ("radio", "Radio-diagnostic (SM)"),
        ("opticienne", "Opticien-Lunetier"), ("orl", "O.R.L. et chirurgie cervico-faciale (SM)"),
        ("gyneco", "Gynécologie médicale (SM)"), ("dieteticienne", "Diététicien"),
        ("manipulatrice", "Manipulateur ERM"),
        ("neurochirurgien", "Neurochirurgie (SM)"), ("gastroenterologue", "Gastro-entérologie et hépatologie (SM)"),
    ],
)  # fmt: skip
def test_crafts_as_people_write_them(asked: str, label: str) -> None:
    [part] = understood(asked).parts
    assert {way for way in part.ways if not way.endswith("*")} & {f"c{word}" for word in craft_words(label)}


def test_general_practice_is_not_general_surgery() -> None:
    [part] = understood("généraliste").parts
    assert "cgeneralist" in part.ways
    assert "generalist" not in craft_words("Chirurgie générale (SM)")


@pytest.mark.parametrize("word", ["cardiolo", "cardiolog", "cardiologu", "cardiologue", "cardiologie", "cardiologues"])
def test_a_craft_is_known_while_it_is_typed(word: str) -> None:
    assert "cardiolog".startswith(stem(word))


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("chu", "CENTRE HOSPITALIER UNIVERSITAIRE DE BORDEAUX"), ("hopital", "CH D'ANNECY"), ("ehpad", "EHPAD X"),
        ("hcl", "HOSPICES CIVILS DE LYON"), ("aphp", "HOPITAL COCHIN AP-HP"), ("msp", "MAISON DE SANTE DES ILES"),
        ("clinique", "POLYCLINIQUE DU LAC"), ("ght", "GROUPEMENT HOSPITALIER DE TERRITOIRE X"), ("labo", "LBM DU PARC"),
    ],
)  # fmt: skip
def test_houses_as_people_write_them(asked: str, name: str) -> None:
    [part] = understood(asked).parts
    assert set(part.ways) & {f"o{word}" for word in house_words(name)}


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        ("bdx", "tbordeaux"), ("lyon 3", "t69003"), ("paris15", "t75015"), ("marseille 8ème", "t13008"),
        ("St Étienne", "tsaintetienne"), ("33", "t33"), ("1", "t01"), ("2A", "t2a"), ("gironde", "t33"),
        ("Loire-Atlantique", "t44"), ("côte d'or", "t21"), ("clermont-fd", "tclermontferrand"), ("75 015", "t75"),
        ("corse", "t2b"),
        ("10 100 000 117", "i10100000117*"), ("810100000117", "i10100000117"), ("33000", "t33000*"),
        ("Anna.Martin@mss.example", "mannamartinmssexample*"), ("mailto:a.b@c", "mabc*"),
    ],
)  # fmt: skip
def test_places_numbers_and_addresses(asked: str, ways: str) -> None:
    assert ways in {way for part in understood(asked).parts for way in part.ways}


def test_titles_say_nothing_unless_they_are_all_there_is() -> None:
    assert [part.word for part in understood("Bonjour, je cherche le Pr Docteur Mme Martin").parts] == ["martin"]
    assert [part.text for part in understood("dr").parts] == ["dr"]


def test_every_typing_error_is_one_off() -> None:
    near = one_off("petit")
    assert {"petut", "petitt", "peti", "peitt", "apetit", "petitz"} <= near
    assert "petit" not in near
    assert all(alike("petit", [word], 1) for word in near)
    assert alike("petit", ["petot", "potot", "petits", "zzz"], 2) == [(1, "petits"), (1, "petot"), (2, "potot")]


async def test_the_store_in_memory() -> None:
    terms = MemoryTerms([martin(2), replace(martin(1), boxes=("a@b.example",)), martin(3, family="Martineau")])
    assert [e.id[-1] for e in await terms.holding([["fmartin"]], 5)] == ["1", "2"]
    assert [e.id[-1] for e in await terms.holding([["fmartin*"], ["ganna", "gx"]], 2)] == ["1", "2"]
    assert await terms.holding([], 5) == await terms.holding([["fmartin"], []], 5) == []
    assert await terms.begins("fm", 5) == ["fmartin", "fmartineau"]
    assert await terms.count(["fmartin", "fx"]) == {"fmartin": 2}
    assert await terms.near("fmartn", 1) == ["fmartin"]
    assert [e.id[-1] for e in await terms.entries([martin(3).id, "rpps:0", martin(1).id])] == ["3", "1"]
