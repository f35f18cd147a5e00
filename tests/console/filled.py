"""A console whose hub has everything that a page can show: STUB answers of the acts, in their own shape."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from appservice.console import COMPONENT
from appservice.console.console import Console
from appservice.console.login.sessions import ConsoleSessions, NewSession
from appservice.console.settings import ConsoleSettings
from appservice.operating.door import Act
from bridge.db import open_database
from bridge.hub.hub import now_ms
from bridge.seal import Seal
from bridge.store.store import COMPONENT as STORE
from bridge.trail.entry import COMPONENT as TRAIL
from deploy.world.ports import free_port

EVIL = "<script>alert('x')</script>"
NOW, DAY = int(time.time()), 86_400
SEAL = Seal({"k1": bytes(32)}, "k1")


def _waits(n: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"d_{n}", "message": f"m_{n}", "conversation": "c_1", "network": "siilo", "since": (NOW - 4000) * 1000,
        "attempts": n, "next_at": (NOW + 60) * 1000 if n else 0, "held": False, "pos": n,
        "why": "product_unreachable" if n else "", **more,
    }  # fmt: skip


_NETWORKS: list[dict[str, Any]] = [
    {"network": "matrix", "up": True, "waiting": 0, "reports": 0, "oldest": None, "late": 0, "failing": ""},
    {
        "network": "siilo",
        "up": False,
        "waiting": 10_000,
        "reports": 3,
        "oldest": (NOW - 4000) * 1000,
        "late": 2,
        "failing": "product_unreachable",
    },
    {
        "network": "mail",
        "up": True,
        "waiting": 2,
        "reports": 0,
        "oldest": (NOW - 4000) * 1000,
        "late": 1,
        "failing": "product_timed_out",
    },
]
_MESSAGE = {
    "id": "m_1", "conversation": "c_1", "network": "siilo", "sender": "rpps:10000000003", "kind": "text",
    "sent_at": NOW * 1000, "accepted_at": NOW * 1000, "names": [{"network": "matrix", "id": "$abc:chu.example"}],
    "states": [{"person": "rpps:10000000001", "network": "mail", "state": "refused", "at": NOW * 1000,
                "reason": "gave_up"}],
    "waiting": [_waits(1), _waits(2, held=True)], "changes": [{"message": "m_2", "kind": "edit"}],
    "inside": [
        {"network": "mail", "name": name, "part": EVIL, "waiting": 1, "oldest": (NOW - DAY) * 1000, "why": "scan_away"}
        for name in ("events", "unreadable", "drafts", "out")
    ],
    "untold": {"network": "siilo", "attempt": 3, "next_at": NOW * 1000},
}  # fmt: skip
_CONVERSATION = {
    "id": "c_1", "created_at": NOW * 1000, "waiting": [_waits(1)], "newest": ["m_1"],
    "legs": [{"network": "matrix", "chat": "!room:chu.example"}, {"network": "mail", "chat": None}],
    "members": [{"person": "rpps:10000000003", "network": "siilo", "address": "cleo"}],
}  # fmt: skip
_CLAIM = {
    "product": "siilo", "rpps": "10000000003", "name": f"Cléo {EVIL}", "accounts": ["siilo:cleo"],
    "others": ["pandalab:cleo"], "state": "held", "since": NOW * 1000, "decided_at": NOW * 1000,
    "decided_by": "operator anna",
}  # fmt: skip
_LINKS = [
    {"address": f"{name}:{EVIL}", "proof": "word", "since": NOW * 1000, "state": state, "by": "operator anna"}
    for name, state in (("siilo", "active"), ("pandalab", "revoked"), ("mail", "held"))
]
_KEY = {"name": "0123456789abcdef", "made": NOW * 1000, "until": (NOW + DAY) * 1000, "unused": True}
_PRODUCT = {
    "name": "siilo", "label": EVIL, "host": "siilo.example", "open": True, "up": False,
    "failing": "product_certificate",
    "tokens": [_KEY, _KEY | {"made": None, "until": None}], "secrets": [_KEY | {"unused": False}],
    "attempts": {"sent": 5, "later": 2, "refused": 1},
    "log": {"newest": 900, "read": 850, "gone": 100, "bytes": 5_000_000, "waiting": 200, "down": True},
    "tokens_known": "0123456789abcdef", "secrets_known": "0123456789abcdef",
}  # fmt: skip
_LIST = {
    "name": "mail", "size": 4000, "number": None, "confirmed": NOW - 900, "ends": NOW + 40 * DAY,
    "trouble": "mass_drop", "held": "ab" * 32,
}  # fmt: skip


def _new(secret: str) -> dict[str, Any]:
    sealed = SEAL.seal(secret.encode(), "shown to an operator once")
    return {"sealed": b64encode(sealed).decode(), "old_until": (NOW + DAY) * 1000}


ANSWERS: dict[str, dict[str, Any]] = {
    "status": {
        "version": "0.1.0", "running": 90_061.0, "trouble": "the homeserver is away", "traffic": _NETWORKS, "held": 7,
        "alarms": {"bridge.db": 2}, "federation": {"sequence": 3, "domains": 12, "expires": NOW + DAY},
        "database": False, "known": True,
        "workers": [
            {"name": "w1", "version": "0.1.0", "works": True, "since": (NOW - 90_061) * 1000},
            {"name": "w2", "version": "0.1.0", "works": False, "since": (NOW - 60) * 1000},
        ],
        "queues": [
            {"network": network, "name": name, "part": part, "waiting": 3, "oldest": (NOW - DAY) * 1000,
             "why": {"events": f"scan_away in !{EVIL}", "out": "450 4.7.5"}.get(name, ""),
             "read": {"unread": (NOW - 2 * DAY) * 1000, "in": 0}.get(name)}
            for network, name, part in (
                ("mail", "out", "chu.example"), ("mail", "in", ""), ("matrix", "events", ""), ("matrix", "keyless", ""),
                ("matrix", "unreadable", ""), ("siilo", "unread", ""),
            )
        ],
        "lists": [{"name": one, "confirmed": 0.0, "old": True, "trouble": EVIL} for one in ("directory", "mail_trust")],
        "certificates": {"connect_listen": NOW + 3 * DAY, "console": 0, "matrix_listen": NOW + 90 * DAY,
                         "mail.certificate": NOW - DAY},
        "disks": [{"path": "/var/lib/liaison", "free": 2**28, "size": 2**36}],
    },
    "alarms": {"by": {"bridge.db": 2}, "newest": [(NOW, "bridge.db", f"the database fails: {EVIL}")]},
    "accounts": {"claims": [_CLAIM], "rivals": {"10000000004": ["siilo:dan", "pandalab:dan"]}},
    "queue": {"waiting": [_waits(n) for n in range(51)]},
    "queue-show": _waits(3),
    "queue-retry": _waits(3),
    "queue-drop": _waits(3),
    "decide": _CLAIM,
    "accept-identity": {},
    "trace": {"message": _MESSAGE},
    "who": {
        "id": "rpps:10000000003", "name": EVIL, "listed": False, "active": False, "addresses": ["siilo:cleo"],
        "conversations": [{"conversation": "c_1", "network": "siilo", "address": "cleo", "joined_at": 1, "said": [
            {"id": "m_1", "sender": "rpps:10000000003", "network": "siilo", "kind": "text", "accepted_at": NOW * 1000},
        ]}],
    },
    "revoke": {"person": "rpps:10000000003", "name": EVIL, "active": False, "links": _LINKS},
    "restore": {"person": "rpps:10000000003", "name": EVIL, "active": False, "links": _LINKS},
    "links": {"person": "rpps:10000000003", "name": EVIL, "active": False, "links": _LINKS},
    "identity": {
        "user": "@ben:chu.example", "pinned": "old+key", "served": "new+key", "changed": True,
        "devices": {"LAPTOP": True, "PHONE": False}, "rooms": 2,
    },
    "why": {"yes": False, "lines": ["from siilo:cleo", "  no: struck off"]},
    "products": {"products": [_PRODUCT, _PRODUCT | {"name": "arcad", "host": None, "log": None, "up": True}]},
    "product-events": {
        "after": 100, "upto": 10_100, "events": 9_900, "waiting": 100, "first": (NOW - DAY) * 1000,
        "last": NOW * 1000, "gone": True, "more": True,
    },
    "product-token": _new("liaison_the-new-token-0123456789"),
    "product-secret": _new("whsec_bmV3IHNlY3JldA=="),
    "product-again": {"events": 9_900},
    "directory": {"kind": "national", "file": None, "load": {
        "number": 4, "age": 200_000.0, "outdated": True, "old": True, "stale": False,
        "files": [{"name": "PS_LibreAcces_Personne_activite.txt", "lines": 2_000_000, "at": NOW * 1000}],
        "deltas": [{"number": "1", "name": "delta-1", "at": None}],
        "tally": {"people": 9, "before": 8, "added": 1, "changed": 2, "absent": 1, "closed": 0, "boxes_gone": 0},
    }},
    "lists": {"lists": [_LIST, _LIST | {"name": "federation", "number": 3, "confirmed": None, "ends": NOW - 5,
                                        "trouble": "", "held": None}]},
    "audit": {"next": 12, "rows": [
        {"number": 13, "at": NOW * 1000, "kind": "operator", "actor": EVIL, "subject": "mail:a.example#00",
         "object": None, "result": "asked", "details": {"at": "console"}},
        {"number": 12, "at": NOW * 1000, "kind": "login", "actor": None, "subject": None, "object": None,
         "result": None, "details": {}},
    ]},
}  # fmt: skip
PAGES = (
    "/", "/waiting?network=mail", "/message/m_1", "/delivery/d_3",
    "/people?who=@ben:chu.example&to=x", "/claims", "/products",
    "/product/siilo?after=100", "/directory", "/trust", "/audit", "/alarms",
)  # fmt: skip


def answering(done: list[tuple[str, dict[str, Any]]]) -> Mapping[str, Act]:
    """The acts; what is asked is kept in ``done``."""

    def act(name: str) -> Act:
        async def answer(asked: dict[str, Any]) -> dict[str, Any]:
            done.append((name, asked))
            if name == "trace" and asked["name"].startswith("c_"):
                return {"conversation": _CONVERSATION}
            if name == "queue" and asked["network"] == "mail":
                return {"waiting": [*(_waits(n) for n in range(3)), _waits(3, next_at=10**15)]}
            return ANSWERS[name]

        return answer

    return {name: act(name) for name in ANSWERS}


@dataclass
class Filled:
    """``cookie`` of somebody who may act."""

    url: str
    cookie: str
    done: list[tuple[str, dict[str, Any]]]


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[Filled]:
    """The console, without TLS and without a provider: somebody is in."""
    port, done = free_port(), list[tuple[str, dict[str, Any]]]()
    (folder / "client").write_text("secret")
    url = f"http://127.0.0.1:{port}"
    settings = ConsoleSettings(
        public_url=url, issuer="https://login.example", client_id="c", client_secret=f"file:{folder}/client",
        act=["operator"],
    )  # fmt: skip
    db = await open_database(f"sqlite:///{folder}/filled.db", [STORE, TRAIL, COMPONENT])
    sessions = ConsoleSessions(db, SEAL, settings, now_ms)
    secret = await sessions.begin(NewSession("way", "u1", "", "anna", True, "token"))
    console = Console(settings, db, SEAL, answering(done), 600.0, "fr")
    runner = web.AppRunner(console.application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Filled(url, secret, done)
    finally:
        await runner.cleanup()
        await db.close()
