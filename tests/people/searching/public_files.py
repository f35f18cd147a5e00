"""Entries as the public files of the national directory give them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.people.searching.entry import Entry
from deploy.world.annuaire.headers import ACTIVITY_HEADER, MAILBOX_HEADER

_GENERATED = "202511250230"


def write(folder: Path, entries: Iterable[Entry]) -> list[Path]:
    """One file of activities, one of mailboxes; gives their paths."""
    activities, boxes = [ACTIVITY_HEADER], [MAILBOX_HEADER]
    for entry in entries:
        if entry.kind == "person":
            activities += _activities(entry)
        boxes += _boxes(entry)
    files = {
        f"PS_LibreAcces_Personne_activite_{_GENERATED}.txt": activities,
        f"Extraction_Correspondance_MSSante_{_GENERATED}.txt": boxes,
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return [folder / name for name in files]


def _line(header: str, fields: dict[str, str]) -> str:
    return "|".join(fields.get(column, "") for column in header.split("|"))


def _who(entry: Entry) -> dict[str, str]:
    number = entry.id.removeprefix("rpps:")
    return {
        "Type d'identifiant PP": "8", "Type Identifiant PP": "8", "Identifiant PP": number,
        "Identification nationale PP": f"8{number}", "Nom d'exercice": entry.family, "Prénom d'exercice": entry.given,
    }  # fmt: skip


def _activities(entry: Entry) -> Iterator[str]:
    """The present name stands in more lines than another one."""
    place = entry.places[0]
    fields = _who(entry) | {
        "Code civilité d'exercice": entry.title, "Libellé profession": entry.profession, "Code profession": "10",
        "Libellé savoir-faire": "".join(entry.specialities), "Raison sociale site": place.structure,
        "Libellé commune (coord. structure)": place.town, "Code postal (coord. structure)": place.postcode,
    }  # fmt: skip
    yield _line(ACTIVITY_HEADER, fields)
    for other in entry.other_names:
        yield _line(ACTIVITY_HEADER, fields)
        yield _line(ACTIVITY_HEADER, fields | {"Nom d'exercice": other})


def _boxes(entry: Entry) -> Iterator[str]:
    for box in entry.boxes:
        if entry.kind == "person":
            yield _line(MAILBOX_HEADER, {"Type de BAL": "PER", "Adresse BAL": box, **_who(entry)})
            continue
        place = entry.places[0]
        yield _line(MAILBOX_HEADER, {
            "Type de BAL": "ORG", "Adresse BAL": box, "Service de rattachement": entry.family,
            "Raison Sociale structure BAL": entry.organisation, "Code postal": place.postcode,
            "L6LIGNEACHEMINEMENT": f"{place.postcode} {place.town}",
        })  # fmt: skip
