"""What every part of the mail leg uses, given to each of them as one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.files import Files
from bridge.networks.mail.leg.addressbook import AddressBook
from bridge.networks.mail.leg.ledger import Ledger
from bridge.receiver import Receiver


@dataclass(frozen=True, slots=True)
class MailEdge:
    """``hub`` is where messages go; ``clock`` gives milliseconds since 1970; ``product`` is the X-MSS-NIL header.

    ``posted``: a mail for this domain is on disk. ``ended``: what became of a mail is on disk, and not told yet.
    ``files``: where the files of messages lie.
    """

    hub: Receiver
    ledger: Ledger
    book: AddressBook
    clock: Callable[[], int]
    product: str
    posted: Callable[[str], None]
    ended: Callable[[], None]
    files: Files
