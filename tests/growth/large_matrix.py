"""The tables of the Matrix side and of its keys in a large hub, as rows; see :mod:`tests.growth.large`."""

from __future__ import annotations

from tests.growth.large import Table


def matrix(n: int) -> dict[str, Table]:
    """``n`` rooms, ghosts, events and ciphertexts that wait; every tenth room is nobody's conversation."""
    each = range(n)
    return {
        "matrix_inbox": (
            "stream, event_id, room_id, received_at, sealed, parked_at",
            ((i, f"$e{i}", f"!r{i % 50}", i, b"x", None if i % 2 else i) for i in each),
        ),
        "matrix_seen": ("id", ((f"{i:016x}",) for i in each)),
        "matrix_dead": ("event_id, room_id, at, why, sealed", ((f"$e{i}", f"!r{i}", i, "x", b"x") for i in each)),
        "matrix_ghost": ("mxid, state, profile", ((f"@rpps_{i}:h", 2, "x") for i in each)),
        "matrix_room": ("room_id, conversation, facts", ((f"!r{i}", f"c{i}" if i % 10 else None, "{}") for i in each)),
        "matrix_member": (
            "room_id, user_id, membership",
            ((f"!r{i}", f"@u{i % 7 + k}:h", "join") for i in each for k in range(3)),
        ),
        "matrix_intent": ("conversation, ghost, at, marker", ((f"c{i}", "@g:h", i, f"m{i}") for i in each)),
        "matrix_outbox": (
            "id, message, room_id, ghost, device, txn, type, content, cipher, created_at, event_id",
            ((f"o{i}", f"m{i}", f"!r{i}", "@g:h", "D", "t", "m", "", "c", i, "$e" if i % 2 else None) for i in each),
        ),
        "matrix_told": ("event_id, what, at", ((f"$e{i}", "x", i) for i in each)),
        "matrix_caption": ("id, content, at", ((f"d{i}/caption", b"x", i) for i in each)),
        "connect_print": ("network, id, key, print", (("pandalab", f"p{i}", "k", b"x") for i in each)),
    }


ANNA, LOST, NEW = "@anna:h", "@lost:h", "@new:h"
"""Whose keys are all given; who never had a device, in every room; whose device was signed a moment ago."""


def keys(n: int) -> dict[str, Table]:
    """``n`` sessions of a hundred ghosts, most of them retired, in a room each; the first room has ``n`` of them."""
    return _people(n) | _sessions(n)


def _people(n: int) -> dict[str, Table]:
    each = range(n)
    return {
        "e2ee_ghost": (
            "user_id, device_id, stage, curve, ed, device_keys, seeds, account, key_id",
            ((f"@rpps_{i}:h", "D", 1, "c", "e", "{}", b"\x01\x02k1" + bytes(60), "a", "k1") for i in each),
        ),
        "e2ee_spare": ("ghost, account, key_id, at", ((f"@rpps_{i}:h", "a", "k1", i) for i in each)),
        "e2ee_user": (
            "user_id, master, found, outdated",
            ((user, None, None, 0) for user in (ANNA, LOST, NEW, *(f"@u{i}:h" for i in each))),
        ),
        "e2ee_device": (
            "user_id, device_id, curve, ed, signed",
            ((user, "D", "c", "e", 1) for user in (ANNA, NEW, *(f"@u{i}:h" for i in each))),
        ),
        "e2ee_olm": (
            "ghost, curve, session_id, used, pickle, key_id",
            ((f"@rpps_{i}:h", f"c{k}", "s", i, "p", "k1") for i in each for k in range(2)),
        ),
        "e2ee_olm_read": ("hash, at", ((f"h{i}", i) for i in each)),
        "e2ee_wedged": ("ghost, user_id, curve, at, todo", ((f"@g{i}:h", "@u:h", "c", i, 0) for i in each)),
    }


def _sessions(n: int) -> dict[str, Table]:
    each, sessions = range(n), range(2 * n)
    return {
        "e2ee_in": (
            "room_id, session_id, sender, curve, ed, receiver, trust, first_index, shared_history, forwarded, pickle, "
            "key_id",
            ((f"!r{i % 100}", f"in{i}", "@u:h", "c", "e", "@g:h", "signed", 0, 1, 0, "p", "k1") for i in sessions),
        ),
        "e2ee_seen": (
            "room_id, session_id, sender, place, event_id",
            (("!r", f"in{i % 10}", "@u:h", i, f"$e{i}") for i in sessions),
        ),
        "e2ee_withheld": ("room_id, session_id, sender, code", (("!r", f"w{i}", "@u:h", "x") for i in each)),
        "e2ee_out": (
            "session_id, room_id, ghost, created_at, used, shared_history, retired, pickle, key_id",
            (
                (f"s{i}", "!big" if i < n else f"!r{i}", f"@rpps_{i % 100}:h", i, 5, 1, int(i % 20 > 0), "p", "k1")
                for i in sessions
            ),
        ),
        "e2ee_late": ("user_id, room_id, at, delay", ((LOST, f"!r{i}", i, 5000) for i in each)),
        "e2ee_share": (
            "session_id, user_id, device_id, state, place, code, txn, kept, room",
            (
                (f"s{i}", user, device, state, 0, code, None, kept, kept and ("!big" if i < n else f"!r{i}"))
                for i in sessions
                for user, device, state, code, kept in (
                    (ANNA, "D", "sent", None, None),
                    (LOST, "*", "unknown", "no_device", b"x"),
                    (NEW, "D", "withheld", "m.unverified", b"x" if i > 2 * n - 5 else None),
                )
            ),
        ),
        "e2ee_send": ("ghost, txn, type, body", (("@g:h", f"t{i}", "m", b"x") for i in each)),
        "e2ee_no_olm": ("ghost, user_id, device_id", ((f"@g{i}:h", "@u:h", "D") for i in each)),
        "e2ee_request": (
            "room_id, session_id, sender, ghost, request_id, tries, next_at",
            (("!r", f"in{i}", f"@u{i % 7}:h", f"@rpps_{i % 100}:h", "r", i % 9, i) for i in each),
        ),
    }
