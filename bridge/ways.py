"""Pure: by which ways somebody is reached now, told before anybody writes to them, and which of them is taken."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model import FUNCTION, MAIL, MATRIX, Address, Person
from bridge.words import sentence

APP, BOX, NOBODY, INACTIVE = "way_app", "way_mail", "way_none", "way_inactive"


def ways(person: Person) -> tuple[str, ...]:
    """Codes of :mod:`bridge.words`, the quickest way first: an application (a product, or Matrix) before a mailbox.

    ``person`` as :meth:`bridge.people.people.People.get` gives them: with the addresses that can be used now.
    """
    if not person.active:
        return (INACTIVE,)
    app = any(address.network != MAIL for address in person.addresses)
    box = any(address.network == MAIL for address in person.addresses)
    return ((APP,) if app else ()) + ((BOX,) if box else ()) or (NOBODY,)


def ways_in_words(person: Person) -> str:
    """``application, messagerie sécurisée``: in the language that comes first at this hub."""
    return ", ".join(sentence(code).partition("\n")[0] for code in ways(person))


def is_product(address: Address) -> bool:
    """Whether a product vouches for such an address; others come from the directory, or from a trust space."""
    return address.network not in (MATRIX, MAIL, FUNCTION)


def choose(addresses: Sequence[Address], origin: str) -> Address | None:
    """How to reach somebody from ``origin``: their own Matrix account, else another product than ours, else ours.

    A mailbox is the last way. From Matrix a person is reached in a product: their own Matrix account needs no bridge.
    Of several the first counts; ``addresses`` are those of the directory, then the declared ones in the order of their
    declaration.
    """
    for address in addresses:
        if address.network == MATRIX and origin != MATRIX:
            return address
    others = [a for a in addresses if a.network not in (MATRIX, MAIL, origin)]
    own = [a for a in addresses if a.network == origin not in (MATRIX, MAIL)]
    boxes = [a for a in addresses if a.network == MAIL]  # who has a chat product is written to there
    return next(iter(others + own + boxes), None)
