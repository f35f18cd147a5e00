"""A large hub as rows: one room of ``n`` messages and ``n`` waiting things of every kind, for tests that count.

Ben has read all but the last two messages of the room; Dan never reads, there or in his other rooms; Fay is invited
since the last five messages; Eve joined last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Table = tuple[str, Iterator[tuple[Any, ...]]]
"""Columns, separated by commas, and rows."""

BEN, DAN, FAY, EVE, CLEO = (f"rpps:1000000000{n}" for n in range(5))
ROOM, LANE = "c_room", "c_lane"


def message(i: int) -> str:
    """The id of the message at a place."""
    return f"m_{i * 2654435761 % 2**32:08x}{i:024x}"


def delivery(i: int) -> str:
    """The id of a delivery."""
    return f"d_{i * 2654435761 % 2**32:08x}{i:024x}"


def conversation(i: int) -> str:
    """The conversation of the message at a place beyond the room's."""
    return f"c_{i:024x}"


def core(n: int) -> dict[str, Table]:
    """The tables of the store. Places 1 to n: the room; n + 1 to 2 n: a conversation with one message each."""
    both = range(1, 2 * n + 1)
    chat = [ROOM if i <= n else conversation(i) for i in range(2 * n + 1)]
    return (
        {
            "account": ("network, id, person, declared_at", (("pandalab", f"u{i}", f"rpps:{i}", i) for i in range(n))),
            "name": ("person, name", ((f"mail:p{i}@a.example", "P") for i in range(n))),
            "conversation": (
                "id, created_at, audience",
                ((c, i, f"{c:>064}") for i, c in enumerate([ROOM, LANE, *chat[n + 1 :]])),
            ),
            "leg": (
                "conversation, network, chat",
                ((c, w, f"{w}-{c}") for c in [ROOM, LANE, *chat[n + 1 :]] for w in ("matrix", "pandalab", "siilo")),
            ),
            "member": (
                "conversation, person, network, address, joined_at",
                ((c, p, "matrix", p, 0) for c in [ROOM, *chat[n + 1 :]] for p in (BEN, DAN, FAY, EVE, CLEO)),
            ),
            "message": (
                "id, conversation, pos, network, ref, chat, sender, address, kind, sent_at, accepted_at",
                (
                    (message(i), chat[i], i, "pandalab", f"r{i}", f"pandalab-{chat[i]}", CLEO, "cleo", "text", i, i)
                    for i in both
                ),
            ),
            "ref": (
                "network, id, message",
                ((w, f"r{i}", message(i)) for i in both for w in ("matrix", "pandalab")),
            ),
            "recipient": ("message, person, network, state, at", _recipients(n)),
            "looked_at": ("conversation, person, network, pos", _looked_at(n, chat)),
            "awaited": (
                "network, conversation, person, pos",
                (("matrix", chat[i], FAY, max(i, n) - 4) for i in range(n, 2 * n + 1)),
            ),
            "delivery": (
                "id, message, conversation, network, pos, held, body, created_at, next_at, late",
                _deliveries(n, chat),
            ),
            "report": (
                "message, network, next_at, pos",
                ((message(i), "pandalab", 0 if i % 2 else 10**15, i) for i in range(1, n + 1)),
            ),
            "file": ("message, n, about, body", ((message(i), 0, b"x", b"x") for i in range(1, n + 1))),
        }
        | _duty(n, chat)
        | _amended(n, chat)
    )


def _amended(n: int, chat: list[str]) -> dict[str, Table]:
    """Each message of the room was corrected, and as many corrections wait for theirs; many legs are late."""
    waits = (("siilo", f"e{i}", f"t{i}", chat[n + i], "chat", "dan", "edit", b"x", i, i, i) for i in range(1, n + 1))
    return {
        "late_leg": ("network, conversation, since", (("siilo", chat[i], i) for i in range(n, 2 * n + 1))),
        "language": ("person, language", ((f"rpps:{i}", "en") for i in range(n))),
        "correction": ("message, about, kind, sent_at", ((f"m_e{i}", message(i), "edit", i) for i in range(1, n + 1))),
        "early": ("network, id, about, conversation, chat, address, kind, body, sent_at, accepted_at, until", waits),
    }


def _duty(n: int, chat: list[str]) -> dict[str, Table]:
    """Somebody on duty in every conversation, with something that waits to be read."""
    return {
        "seat": (
            "conversation, function, person, brought, since, until",
            ((c, "garde", CLEO, 1, i, i) for i, c in enumerate([ROOM, *chat[n + 1 :]])),
        ),
        "watch": (
            "conversation, function, urgent, step, told, asked, due_at, look_at",
            ((c, "garde", 0, 0, 0, "[]", i, i) for i, c in enumerate([ROOM, *chat[n + 1 :]])),
        ),
        "watched": (
            "message, function, conversation, at, body, copy",
            ((message(i), "garde", chat[i], i, b"x", f"m_copy{i}") for i in range(n, 2 * n + 1)),
        ),
    }


def _recipients(n: int) -> Iterator[tuple[Any, ...]]:
    for i in range(1, 2 * n + 1):
        yield message(i), BEN, "matrix", "read" if i <= n - 2 else "delivered", i
        yield message(i), DAN, "matrix", "delivered", i
        if i > n - 5:
            yield message(i), FAY, "matrix", "sent", i


def _looked_at(n: int, chat: list[str]) -> Iterator[tuple[Any, ...]]:
    for i in range(n, 2 * n + 1):
        for person, pos in ((BEN, n - 2), (DAN, 0), (EVE, n)):
            yield chat[i], person, "matrix", pos


def _deliveries(n: int, chat: list[str]) -> Iterator[tuple[Any, ...]]:
    """One long lane of old ones that were told to be late, many short ones that wait for a time, some that are held."""
    for i in range(1, n + 1):
        yield delivery(i), message(i), LANE, "siilo", i, 0, b"x", i, 0, int(i < n - 5)
        yield delivery(i + n), message(i + n), chat[i + n], "siilo", i + n, 0, b"x", i, i if i <= 5 else 10**15, 0
        yield delivery(i + 2 * n), message(i), LANE, "medipeps", i, 1, b"x", i, 0, 0


def connect(n: int) -> dict[str, Table]:
    """The tables of Connect: a product with ``n`` events in its log, of which the newer half waits."""
    return {
        "connect_event": (
            "network, n, id, lane, message, body, size, at, waits",
            (
                ("siilo", i, delivery(i), conversation(i % 100), message(i), b"x", 1, i, (i > n // 2) * (1 + i % 2))
                for i in range(1, n + 1)
            ),
        ),
        "connect_blocked": ("network, id, person, at", (("siilo", f"u{i}", f"rpps:{i}", i) for i in range(n))),
        "connect_log": ("network, n", iter([("siilo", n)])),
        "connect_token": ("hash, network, at", ((f"{i:064x}", f"product{i}", i) for i in range(n))),
        "connect_secret": ("network, id, at", ((f"product{i}", "s", i) for i in range(n))),
        "connect_ended": ("network, id, person, at, done", (("siilo", f"u{i}", f"rpps:{i}", i, i) for i in range(n))),
    }


def mail(n: int) -> dict[str, Table]:
    """The tables of the mail leg: a chat with a thread of ``n`` mails and one of ``n`` messages without any.

    ``n`` mails wait for one domain, half of them until later, and one for each of ``n`` domains.
    """
    return {
        "mail_in": ("envelope, raw, received_at", ((b"x", b"x", i) for i in range(n))),
        "mail_box": ("address, person", ((f"p{i}@a.example", f"rpps:{i}") for i in range(n))),
        "mail_ref": (
            "chat, mid, thread, ref, people, n, about",
            (
                ("chat", f"{thread}-{i}", thread, f"{thread}-ref-{i}", "people", 2 * i + k, [None, b"x"][k])
                for i in range(n)
                for k, thread in enumerate(("said", "mailed"))
            ),
        ),
        "mail_thread": ("chat, thread, about", (("chat", f"t{i}", b"x") for i in range(n))),
        "mail_draft": (
            "id, chat, thread, n, at, body",
            ((f"d{i}", f"c{i:09}", f"{'fix:' * (i % 2)}t", i, i, b"x") for i in range(n)),
        ),
        "mail_out": (
            "id, n, mid, sender, refs, raw, created_at",
            ((f"o{i}", i, f"mid{i}", f"s{i}@hub.example", "[]", b"x", i) for i in range(3 * n)),
        ),
        "mail_to": ("mail, recipient, domain, state, next_at, told, n", _recipients_of_mails(n)),
    }


def _recipients_of_mails(n: int) -> Iterator[tuple[Any, ...]]:
    for i in range(n):
        yield f"o{i}", "a@one.example", "one.example", "queued", i if i % 2 else 10**15, 0, i
        yield f"o{i + n}", f"a@d{i}.example", f"d{i}.example", "queued", i, 0, i + n
        yield f"o{i + 2 * n}", "a@one.example", "one.example", "accepted", i, 2 if i < n - 3 else 0, i + 2 * n
