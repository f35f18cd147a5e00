"""Lines of the public files as records, and all records of somebody as one entry."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bridge.people.national.files import naming
from bridge.people.national.files.columns import ACTIVITIES, KNOW_HOWS, LAYOUTS, MAILBOXES, BadHeader
from bridge.people.national.files.flatfiles import BadFile, look, rows, sources
from bridge.people.national.files.merging import entry_of, print_of, rank_of
from bridge.people.national.files.records import (
    MAILBOX,
    DirectoryRecord,
    clean,
    person_id,
    to_line,
    to_lines,
    to_records,
)
from bridge.people.searching.entry import Workplace
from deploy.world.annuaire.headers import ACTIVITY_HEADER, KNOW_HOW_HEADER, MAILBOX_HEADER

HEADERS = {"A": ACTIVITY_HEADER, "K": KNOW_HOW_HEADER, "M": MAILBOX_HEADER}


def line(kind: str, **values: str) -> str:
    """A row of a file: columns by the beginnings of their names, blanks as ``_``."""
    names = HEADERS[kind].split("|")
    fields = [""] * len(names)
    for begin, value in values.items():
        fields[next(n for n, name in enumerate(names) if name.replace(" ", "_").startswith(begin))] = value
    return "|".join(fields)


WHO = {"Identification_nationale": "810001000001", "Nom": "LE GOFF", "Prénom": "ANNE-MARIE"}
DOCTOR = line(
    "A", **WHO, Code_profession="10", Libellé_profession="Médecin", Libellé_savoir="Cardiologie (SM)",
    Numéro_FINESS_site="540002698", Raison="CH EXEMPLE", Code_postal="54500", Libellé_commune="VANDOEUVRE LES NANCY",
)  # fmt: skip
BOX = line("M", Type_de="PER", Adresse="Anne.LeGoff@CH.mssante.fr", **WHO, Libellé_Prof="Médecin")
SERVICE = line(
    "M", Type_de="ORG", Adresse="cardio@ch.mssante.fr", Type_identifiant_s="1", Identification_Str="540002698",
    Service="CARDIOLOGIE", Raison="CH EXEMPLE", L6="54511 VANDOEUVRE CEDEX 2", Code_postal="54511",
)  # fmt: skip


def test_all_that_three_files_say_of_a_doctor_is_one_entry() -> None:
    skill = line("K", **WHO, Libellé_savoir="Rythmologie")
    texts = DOCTOR, skill, BOX
    found = [layout.bind(HEADERS[layout.kind]).record(text) for layout, text in zip(LAYOUTS, texts, strict=True)]
    assert {one[0] for one in found if one} == {"rpps:10001000001"}
    entry = entry_of("rpps:10001000001", to_lines(one[1] for one in found if one))
    assert (entry.family, entry.given, entry.profession) == ("Le Goff", "Anne-Marie", "Médecin")
    assert entry.specialities == ("Cardiologie", "Rythmologie")
    assert entry.places == (Workplace("CH EXEMPLE", "Vandoeuvre les Nancy", "54500", ""),)
    assert entry.boxes == ("anne.legoff@ch.mssante.fr",)
    assert rank_of(entry) == 0


def test_a_mailbox_of_an_organisation_is_an_entry_of_its_own_bound_to_its_structure() -> None:
    found = MAILBOXES.bind(MAILBOX_HEADER).record(SERVICE)
    assert found is not None
    ident, record = found
    assert (ident, record.site) == ("mail:cardio@ch.mssante.fr", "1540002698")
    entry = entry_of(ident, to_line(record))
    assert (entry.kind, entry.family, entry.organisation) == ("service", "CARDIOLOGIE – CH EXEMPLE", "CH EXEMPLE")
    assert entry.places[0].town == "Vandoeuvre"


def test_several_names_professions_and_activities_are_all_kept_in_one_order() -> None:
    records = [
        DirectoryRecord("A", "DURAND", "EVE", "MME", "60", "Infirmier", site="1a", structure="CH A", town="DIE"),
        DirectoryRecord("A", "DURAND", "EVE", "DR", "10", "Médecin", site="1b", structure="CH B"),
        DirectoryRecord("A", "DURAND", "EVE", "DR", "10", "Médecin", site="1a", structure="CH A"),
        DirectoryRecord("M", "DURAND MARTIN", "EVE", address="b@x.fr", box="CAB"),
        DirectoryRecord("M", "DURAND", "EVE", address="z@x.fr", box="PER", source="7"),
    ]
    entry = entry_of("rpps:10001000001", to_lines(records))
    assert entry == entry_of("rpps:10001000001", to_lines(records[::-1] * 2))
    assert (entry.title, entry.profession, entry.specialities) == ("Dr", "Médecin", ("Infirmier",))
    assert [place.structure for place in entry.places] == ["CH A", "CH B"]
    assert (entry.boxes, entry.other_names) == (("z@x.fr", "b@x.fr"), ("Durand Martin",))
    assert to_records(to_lines(records)) == sorted(records, key=to_line)


def test_the_source_of_a_statement_is_no_change_of_it() -> None:
    said = DirectoryRecord(MAILBOX, "A", address="a@x.fr", box="PER")
    assert print_of(to_lines([said])) == print_of(to_lines([said._replace(source="7")]))
    assert print_of(to_lines([said])) != print_of(to_lines([said._replace(box="CAB")]))


@pytest.mark.parametrize(
    ("national", "kind", "number", "ident"),
    [
        ("810001000001", "", "", "rpps:10001000001"), ("", "8", "10001000001", "rpps:10001000001"),
        ("0331234567", "0", "331234567", "idnps:0331234567"), ("", "0", "2a1234567", "idnps:02A1234567"),
        ("", "", "", None), ("8100|1", "", "", None),
    ],
)  # fmt: skip
def test_a_person_is_known_by_the_national_id(national: str, kind: str, number: str, ident: str | None) -> None:
    assert person_id(national, kind, number) == ident


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("A", {"Nom": "SANS NUMERO"}), ("A", {"Identification_nationale": "810001000001"}),
        ("M", {"Type_de": "PER", "Adresse": "a@b.fr"}), ("M", {"Type_de": "ORG", "Adresse": "no address"}),
    ],
)  # fmt: skip
def test_a_line_that_names_nobody_is_no_record(kind: str, values: dict[str, str]) -> None:
    layout = next(layout for layout in LAYOUTS if layout.kind == kind)
    assert layout.bind(HEADERS[kind]).record(line(kind, **values)) is None


def test_columns_are_found_by_name_and_extra_bars_do_not_count() -> None:
    names = KNOW_HOW_HEADER.split("|")
    turned = "\ufeff" + "|".join(reversed(names)).replace("'", "’").upper() + "|New|\r\n"
    row = "|".join(reversed(line("K", **WHO, Libellé_savoir="Y").split("|"))) + "|what is new|\r\n"
    bound = KNOW_HOWS.bind(turned).record(row)
    assert bound is not None
    assert (bound[1].family, bound[1].speciality) == ("LE GOFF", "Y")
    assert ACTIVITIES.bind(ACTIVITY_HEADER).record(DOCTOR + "|\n") is not None
    assert ACTIVITIES.bind(ACTIVITY_HEADER).record(DOCTOR + "|more\n") is None
    assert ACTIVITIES.bind(ACTIVITY_HEADER).record(DOCTOR[:-20]) is None
    with pytest.raises(BadHeader) as bad:
        KNOW_HOWS.bind("|".join(names[1:]))
    assert bad.value.missing == ("Type d'identifiant PP",)


@pytest.mark.parametrize(
    ("given", "seen"),
    [("A\u00a0 B", "A B"), (" A\tB ", "A B"), ("É\u200bC", "ÉC"), ("\ufeffA\ufffd", "A"), ("plain", "plain")],
)
def test_odd_characters_are_cleaned_away(given: str, seen: str) -> None:
    assert clean(given) == seen


@pytest.mark.parametrize(
    ("given", "seen"),
    [("DE LA TOUR-MARTIN", "de La Tour-Martin"), ("D'ALMEIDA", "d'Almeida"), ("Ève", "Ève"), ("O'BRIEN", "O'Brien")],
)
def test_names_in_capitals_are_written_as_people_do(given: str, seen: str) -> None:
    assert naming.name(given) == seen


def written(folder: Path, kind: str, lines: list[str], end: str = "\n", time: str = "202511100230") -> Path:
    """A file of one kind."""
    name = next(layout.name for layout in LAYOUTS if layout.kind == kind)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}_{time}.txt"
    path.write_text("\n".join([HEADERS[kind], *lines]) + end, "utf-8")
    return path


def test_a_file_is_looked_at_for_what_can_be_wrong_with_it(tmp_path: Path) -> None:
    text = sources([written(tmp_path, "A", [DOCTOR, DOCTOR])])[0]
    seen = look(text)
    assert (text.generated, seen.lines, seen.cut) == ("202511100230", 2, False)
    assert look(sources([written(tmp_path, "A", [DOCTOR, BOX], time="202511110230")])[0]).digest != seen.digest
    assert look(sources([written(tmp_path, "A", [DOCTOR, DOCTOR[:-30]], end="")])[0]).cut
    assert not look(sources([written(tmp_path, "A", [DOCTOR], end="")])[0]).cut
    one, two = (written(tmp_path / name, "M", lines) for name, lines in (("x", [BOX, SERVICE]), ("y", [SERVICE, BOX])))
    assert look(sources([one])[0]).digest == look(sources([two])[0]).digest


def test_a_zip_is_read_like_its_texts(tmp_path: Path) -> None:
    plain = written(tmp_path, "A", [DOCTOR])
    with zipfile.ZipFile(tmp_path / "PS_LibreAcces.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, plain.name)
        archive.writestr("PS_LibreAcces_Dipl_AutExerc_202511100230.txt", "not needed")
    inside = sources([tmp_path / "PS_LibreAcces.zip"])
    assert [text.name for text in inside] == [plain.name]
    assert look(inside[0]) == look(sources([plain])[0])
    assert [text for _, text in rows(inside[0])] == [DOCTOR + "\n"]


def test_what_cannot_be_imported_is_said_with_the_name_of_the_file(tmp_path: Path) -> None:
    good = written(tmp_path, "A", [DOCTOR])
    nameless, timeless = tmp_path / "people.txt", tmp_path / "PS_LibreAcces_SavoirFaire.txt"
    for path in (nameless, timeless):
        path.write_text(KNOW_HOW_HEADER)
    torn = tmp_path / "PS_LibreAcces_202511100230.zip"
    torn.write_bytes(b"PK\x05\x06" + bytes(18))
    for paths, said in (
        ([nameless], "people.txt: its name is none of"), ([timeless], "tells no generation time"),
        ([torn], "there is none of"), ([good, good], "of the same kind"), ([tmp_path / "none.zip"], "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(BadFile, match=said):
            sources(paths)
    wrong = written(tmp_path, "M", [])
    wrong.write_text(KNOW_HOW_HEADER)
    with pytest.raises(BadFile, match="its header has no column Type de BAL"):
        look(sources([wrong])[0])
