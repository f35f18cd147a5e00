"""The public files as they would name the people of a small list (the columns of ``deploy/people.csv``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deploy.world.annuaire.headers import ACTIVITY_HEADER, MAILBOX_HEADER

Row = Mapping[str, str]
_DOCTORS = {  # of the list's own words: a doctor's profession, and the speciality beside it
    "Médecin généraliste": "Médecine Générale (SM)",
    "Cardiologue": "Cardiologie et maladies vasculaires (SM)",
    "Radiologue": "Radio-diagnostic (SM)",
    "Chirurgien": "Chirurgie générale (SM)",
    "Biologiste": "Biologie médicale (SM)",
    "Urgentiste": "Médecine d'urgence (SM)",
    "Pédiatre": "Pédiatrie (SM)",
    "Oncologue": "Oncologie médicale (SM)",
}


def files(rows: Iterable[Row], generated: str) -> Iterator[tuple[str, str]]:
    """Name and text of each file; ``generated`` is ``AAAAMMJJhhmm`` (UTC)."""
    people = list(rows)
    activities = [_line(ACTIVITY_HEADER, _activity(row)) for row in people]
    boxes = [_line(MAILBOX_HEADER, _box(row)) for row in people if row["mail"]]
    for name, lines in (
        ("PS_LibreAcces_Personne_activite", [ACTIVITY_HEADER, *activities]),
        ("Extraction_Correspondance_MSSante", [MAILBOX_HEADER, *boxes]),
    ):
        yield f"{name}_{generated}.txt", "".join(f"{line}\n" for line in lines)


def _line(header: str, values: Mapping[str, str]) -> str:
    return "|".join(values.get(column, "") for column in header.split("|"))


def _who(row: Row) -> dict[str, str]:
    given, _, family = row["name"].partition(" ")
    doctor = row["profession"] in _DOCTORS
    return {
        "Identifiant PP": row["rpps"], "Identification nationale PP": "8" + row["rpps"],
        "Nom d'exercice": family.upper(), "Prénom d'exercice": given.upper(),
        "Libellé savoir-faire": _DOCTORS.get(row["profession"], ""),
        "Libellé profession": "Médecin" if doctor else row["profession"],
        "Libellé Profession": "Médecin" if doctor else row["profession"],
    }  # fmt: skip


def _activity(row: Row) -> dict[str, str]:
    structure, town = place(row["place"])
    return _who(row) | {
        "Type d'identifiant PP": "8",
        "Raison sociale site": structure.upper(), "Libellé commune (coord. structure)": town.upper(),
    }  # fmt: skip


def _box(row: Row) -> dict[str, str]:
    return _who(row) | {"Type de BAL": "PER", "Adresse BAL": row["mail"], "Type Identifiant PP": "8"}


def place(text: str) -> tuple[str, str]:
    """Structure and town of ``Clinique des Lilas, Grenoble`` or ``CHU de Lyon``."""
    structure, comma, town = text.partition(", ")
    return structure, town if comma else text.rpartition(" ")[2]
