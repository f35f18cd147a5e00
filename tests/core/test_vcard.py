"""People as vCards: read back as RFC 6350 has it, whatever somebody calls themselves."""

from __future__ import annotations

from bridge.model import Address, Person
from bridge.vcard import Contact, compose

CLEO = Person(
    "rpps:10000000003", "Dr Cléo Petit", "Cardiologue", "CHU ; Bordeaux, Pessac", (Address("mail", "c@x.example"),)
)
DESK = Person("mail:secretariat@chu.example", "Secrétariat")


def read(file: bytes) -> list[dict[str, str]]:
    """Cards as an address book reads them: unfolded, then a property a line."""
    cards: list[dict[str, str]] = []
    for line in file.decode().replace("\r\n ", "").split("\r\n"):
        name, _, value = line.partition(":")
        if name == "BEGIN":
            cards.append({})
        elif name not in ("END", ""):
            cards[-1][name] = value
    return cards


def test_a_card_says_who_it_is_and_gives_no_mailbox_of_a_professional() -> None:
    assert read(compose([Contact(CLEO, "@rpps_10000000003:chu.example"), Contact(DESK)])) == [
        {
            "VERSION": "4.0", "UID;VALUE=text": "rpps:10000000003", "KIND": "individual", "FN": "Dr Cléo Petit",
            "TITLE": "Cardiologue", "ORG": "CHU \\; Bordeaux\\, Pessac",
            "IMPP": "matrix:u/rpps_10000000003:chu.example",
        },
        {
            "VERSION": "4.0", "UID;VALUE=text": "mail:secretariat@chu.example", "KIND": "org", "FN": "Secrétariat",
            "EMAIL;TYPE=work": "secretariat@chu.example",
        },
    ]  # fmt: skip


def test_long_lines_are_folded_between_letters_and_no_name_breaks_a_card() -> None:
    name = "É" * 200 + "\r\nBEGIN:VCARD\nEMAIL:eve@evil.example\u2028x"
    file = compose([Contact(Person("rpps:1", name))])
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
    [card] = read(file)
    assert card["FN"] == "É" * 200 + "\\nBEGIN:VCARD\\nEMAIL:eve@evil.examplex"
    assert "EMAIL" not in card
    assert compose([]) == b""
