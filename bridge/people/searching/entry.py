"""What a search knows of somebody: one entry of a directory with all names, places and ways. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.model import Address


@dataclass(frozen=True, slots=True)
class Workplace:
    """One place of work. ``department`` is its code (``33``, ``2A``, ``974``); every field may be empty."""

    structure: str = ""
    town: str = ""
    postcode: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One professional, service mailbox or function of a directory.

    ``id``: ``rpps:<11 digits>``, ``idnps:<number>`` of other national ids, ``mail:<address>`` of a service mailbox.
    ``kind``: ``person``, ``service`` (``family`` is then its name) or ``function``. ``specialities`` are labels, as
    ``profession`` is. ``boxes`` are mail addresses, ``other_names`` names that somebody also bears (at birth, by
    marriage). ``accounts`` are those that the directory itself lists. ``red``: hidden from search, reached by the exact
    address only; ``closed``: does not practise any more.
    """

    id: str
    kind: str
    family: str
    given: str = ""
    title: str = ""
    profession: str = ""
    specialities: tuple[str, ...] = ()
    places: tuple[Workplace, ...] = ()
    boxes: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    organisation: str = ""
    red: bool = False
    closed: bool = False
    accounts: tuple[Address, ...] = ()
