"""Every table of the hub, what of a person it holds, and how that ends.

It is one list for the end of a product's user and for the erasure of a person. A test holds it against the schema. A
table is erased by a statement that takes an account (:attr:`Goes.ACCOUNT`), a person and a network
(:attr:`Goes.READER`) or a person (:attr:`Goes.PERSON`); or it is kept, and the list says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bridge.db import Tx
from bridge.model import Address


class Goes(Enum):
    """With whom a table's rows go, which is what its statement is given."""

    ACCOUNT = "account"  # ($1 network, $2 id)
    READER = "reader"  # ($1 person, $2 network): with the account
    PERSON = "person"  # ($1 person): with the last way by which somebody chats
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Personal:
    """One table: its ``columns`` that name a person; ``by``: the statement that erases, or why the rows are kept."""

    table: str
    columns: tuple[str, ...]
    goes: Goes
    by: str


_TRACE = "the trace: ids, times and states, as those have them who took part"
_SHORT = "sealed, and gone once it has arrived or was refused"
_KEYS = "keys of the ghost's own device, and what it knows of others' devices: what others sent stays readable for them"


def _kept(table: str, why: str, *columns: str) -> Personal:
    return Personal(table, columns, Goes.KEPT, why)


PERSONAL = (
    Personal("account", ("network", "id", "person"), Goes.ACCOUNT, "erasure.account"),
    Personal("early", ("address",), Goes.ACCOUNT, "erasure.early"),
    Personal("connect_blocked", ("id", "person"), Goes.ACCOUNT, "connect_users.unblock_all"),
    Personal("connect_absent", ("id", "person", "substitute"), Goes.ACCOUNT, "connect_users.be_back"),
    Personal("looked_at", ("person",), Goes.READER, "erasure.looked_at"),
    Personal("language", ("person",), Goes.PERSON, "erasure.language"),
    Personal("name", ("person", "name"), Goes.PERSON, "erasure.name"),
    # what happened
    _kept("message", _TRACE, "sender", "address"),
    _kept("recipient", _TRACE, "person"),
    _kept("ref", "no person"),
    _kept("correction", "no person"),
    _kept("poll", "no person"),
    _kept("vote", "a poll's counts stay as the others have seen them", "person"),
    _kept("report", "no person"),
    _kept("late_leg", "no person"),
    _kept("delivery", _SHORT),
    _kept("file", _SHORT),
    # who takes part
    _kept("conversation", "no person: the others are still in it"),
    _kept("leg", "no person"),
    _kept("member", "gone by leaving, of which the others are told", "person", "address"),
    _kept("awaited", "gone once somebody has come or is said not to come", "person"),
    _kept("taking_over", "gone once the account has taken over", "person", "account"),
    _kept("seat", "gone once the duty, or the absence, is over", "person"),
    _kept("watch", "gone once it was read", "asked"),
    _kept("watched", "sealed, and gone once it was read", "taken"),
    # who is who
    _kept("claim", "a decision holds, also when the account is declared again", "person", "decided_by"),
    _kept("revocation", "what was taken back stays taken back", "id", "person", "by_whom"),
    _kept("acquaintance", "sealed: others keep messages of people, and must see by whom they are", "person", "entry"),
    _kept("account_news", "gone once the product was told", "account", "claimant"),
    # products
    _kept("connect_ended", "the proof that it was done", "id", "person"),
    _kept("connect_abilities", "no person"),
    _kept("connect_event", "sealed, and gone after `log_days`"),
    _kept("connect_log", "no person"),
    _kept("connect_print", "no person: keyed prints of requests"),
    _kept("connect_secret", "no person"),
    _kept("connect_token", "no person"),
    _kept("connect_file", "no person; gone after `files_days`"),
    # mail
    _kept("mail_box", "an address that was somebody's must never be given to another one", "address", "person"),
    _kept("mail_in", _SHORT),
    _kept("mail_out", "sealed, emptied once nobody waits for it", "sender"),
    _kept("mail_to", _TRACE, "recipient"),
    _kept("mail_ref", _TRACE, "people"),
    _kept("mail_thread", "sealed: a thread of the others", "handled_by"),
    _kept("mail_draft", _SHORT),
    # Matrix
    _kept("matrix_ghost", "others keep what the ghost said, and must see by whom it is", "mxid", "profile"),
    _kept("matrix_member", "as the homeserver says", "user_id"),
    _kept("matrix_room", "no person"),
    _kept("matrix_intent", "gone once the room is made", "ghost"),
    _kept("matrix_outbox", "emptied once it was sent", "ghost"),
    _kept("matrix_caption", "sealed, and gone after a short while"),
    _kept("matrix_inbox", _SHORT, "parked_sender"),
    _kept("matrix_dead", "sealed, for the operator"),
    _kept("matrix_seen", "no person"),
    _kept("matrix_told", "no person"),
    _kept("matrix_unwanted", "whom a user of the homeserver does not want: gone once they say so", "user_id", "person"),
    *(_kept(f"e2ee_{table}", _KEYS, *columns) for table, columns in {
        "device": ("user_id",), "ghost": ("user_id",), "in": ("sender",), "late": ("user_id",),
        "no_olm": ("ghost", "user_id"), "olm": ("ghost",), "olm_read": (), "out": ("ghost",),
        "request": ("sender", "ghost"), "seal_key": (), "seen": ("sender",), "send": ("ghost",),
        "share": ("user_id",), "spare": ("ghost",), "user": ("user_id",), "wedged": ("ghost", "user_id"),
        "withheld": ("sender",),
    }.items()),
    # the trail
    _kept("trail", "a chain: ids, domains and keyed hashes of addresses, no name and no text"),
    _kept("trail_new", "gone within seconds: into the chain", "actor", "subject", "object"),
    _kept("trail_checkpoint", "no person"),
    _kept("trail_key", "no person"),
    _kept("retention", "no person"),
    _kept("retention_told", "no person"),
    # the console
    _kept("console_session", "operators: gone once the session has ended", "subject", "name"),
    _kept("console_said", "no person"),
    # the process
    _kept("life", "no person"),
    _kept("resealing", "no person"),
    _kept("restored", "no person"),
    _kept("restored_item", "no person: ids of events, deliveries, mails and rooms"),
    _kept("seal_proof", "no person"),
    _kept("migration", "no person"),
)  # fmt: skip


async def erase_account(tx: Tx, account: Address, person: str, area: str = "erasure") -> None:
    """What goes with an account (of ``person``, an id); ``area``: of the statements, for a network has its own."""
    for one in PERSONAL:
        if one.by.partition(".")[0] != area:
            continue
        if one.goes is Goes.ACCOUNT:
            await tx.run(one.by, account.network, account.id)
        elif one.goes is Goes.READER:
            await tx.run(one.by, person, account.network)


async def erase_person(tx: Tx, person: str) -> None:
    """What goes with a person (id) who has no way to chat any more; what goes with accounts went with them."""
    for one in PERSONAL:
        if one.goes is Goes.PERSON:
            await tx.run(one.by, person)
