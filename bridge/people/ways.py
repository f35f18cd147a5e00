"""Pure: by which ways somebody is reached now, told before anybody writes to them."""

from __future__ import annotations

from bridge.model import MAIL, Person
from bridge.words import sentence

APP, BOX, NOBODY = "way_app", "way_mail", "way_none"


def ways(person: Person) -> tuple[str, ...]:
    """Codes of :mod:`bridge.words`, the quickest way first: an application (a product, or Matrix) before a mailbox.

    ``person`` as :meth:`bridge.people.people.People.get` gives them: with the addresses that can be used now.
    """
    app = any(address.network != MAIL for address in person.addresses)
    box = any(address.network == MAIL for address in person.addresses)
    return ((APP,) if app else ()) + ((BOX,) if box else ()) or (NOBODY,)


def ways_in_words(person: Person) -> str:
    """``application, messagerie sécurisée``: in the language that comes first at this hub."""
    return ", ".join(sentence(code).partition("\n")[0] for code in ways(person))
