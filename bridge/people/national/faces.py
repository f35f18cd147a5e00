"""Pure: an entry of the national directory as a person of the hub: how somebody is shown, and how they are reached."""

from __future__ import annotations

from dataclasses import replace

from bridge.model import MAIL, Address, Person
from bridge.people.searching.entry import Entry

_TITLES = {"Dr", "Pr"}


def person_of(entry: Entry) -> Person:
    """Who has closed is not active and has no address: they cannot be written to, and keep their name.

    Who has no RPPS number is known by their mailbox, as a service is; without one by the national number.
    """
    name = " ".join(part for part in (entry.title if entry.title in _TITLES else "", entry.given, entry.family) if part)
    boxes = () if entry.closed else tuple(Address(MAIL, box) for box in entry.boxes)
    return Person(
        ident_of(entry), name or entry.id, _profession(entry), _place(entry), boxes + entry.accounts,
        listed=not entry.closed, active=not entry.closed,
    )  # fmt: skip


def ident_of(entry: Entry) -> str:
    """The person id under which the hub knows an entry."""
    known = entry.id.startswith(("rpps:", f"{MAIL}:")) or not entry.boxes
    return entry.id if known else f"{MAIL}:{entry.boxes[0]}"


def together(entry: Person | None, local: Person | None) -> Person | None:
    """What this site says of somebody wins, where it says something; addresses are those of both."""
    if entry is None or local is None:
        return local or entry
    addresses = tuple(dict.fromkeys((*local.addresses, *entry.addresses)))
    return replace(
        local, profession=local.profession or entry.profession, place=local.place or entry.place, addresses=addresses
    )


def _profession(entry: Entry) -> str:
    return ", ".join(part for part in (entry.profession, *entry.specialities[:1]) if part)


def _place(entry: Entry) -> str:
    if not entry.places:
        return ""
    first = entry.places[0]
    structure = "" if entry.kind == "service" else first.structure  # (its name holds it already)
    return ", ".join(part for part in (structure, first.town) if part)
