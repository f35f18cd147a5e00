"""Pure: people as a file of vCards 4.0 (RFC 6350), which address books and mail programs read.

A library was weighed: vobject writes vCard 3.0, and a card here has six lines. No mailbox of a professional is in a
card: whoever is red-listed was perhaps met in a group, and their address is not the hub's to give. The Matrix user
reaches everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.model import MAIL, Person

NAME, MIME = "liaison.vcf", "text/vcard"
_LONGEST = 75  # octets of a line (RFC 6350, 3.2)
_ESCAPES = str.maketrans({"\\": "\\\\", ",": "\\,", ";": "\\;", "\n": "\\n", "\r": None})


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody, and the Matrix user by whom they are written to, where that is said."""

    person: Person
    user: str | None = None


def compose(contacts: Iterable[Contact]) -> bytes:
    """The file."""
    return b"".join(_fold(line) for contact in contacts for line in _card(contact))


def _card(contact: Contact) -> list[str]:
    person = contact.person
    service = person.id.startswith(f"{MAIL}:")
    fields = [
        ("UID;VALUE=text", person.id),
        ("KIND", "org" if service else "individual"),
        ("FN", person.name),
        ("TITLE", person.profession),
        ("ORG", person.place),
        ("EMAIL;TYPE=work", person.id.removeprefix(f"{MAIL}:") if service else ""),
        ("IMPP", f"matrix:u/{contact.user.removeprefix('@')}" if contact.user else ""),
    ]
    lines = [f"{name}:{_plain(value)}" for name, value in fields if value]
    return ["BEGIN:VCARD", "VERSION:4.0", *lines, "END:VCARD"]


def _plain(value: str) -> str:
    """One line, whatever somebody calls themselves."""
    return "".join(c for c in value.translate(_ESCAPES) if c.isprintable())


def _fold(line: str) -> bytes:
    """A line in pieces of 75 octets; no letter is cut."""
    pieces, piece = [], b""
    for letter in line:
        octets = letter.encode("utf-8", "replace")
        if len(piece) + len(octets) > _LONGEST:
            pieces.append(piece)
            piece = b" "
        piece += octets
    return b"\r\n".join([*pieces, piece]) + b"\r\n"
