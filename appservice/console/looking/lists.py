"""The lists of who takes part: how large, by whom, until when, and what is held for somebody to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.operating.door import Act
from bridge.hub.assembly import Core
from bridge.model import MAIL
from bridge.networks.mail.leg.connector import MailConnector
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.people.server_list import ServerList

Json = dict[str, Any]


def acts(core: Core, servers: ServerList) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def lists(asked: Json) -> Json:
        return {"lists": [one for one in (_federation(servers), _mail(core)) if one is not None]}

    return {"lists": lists}


def _federation(servers: ServerList) -> Json | None:
    if servers.federation is None:
        return None
    found = servers.federation.list
    return {
        "name": "federation", "size": 0 if found is None else len(found.participants),
        "number": None if found is None else found.sequence, "confirmed": None,
        "ends": None if found is None else found.expires, "trouble": "list_missing" if found is None else "",
        "held": None,
    }  # fmt: skip


def _mail(core: Core) -> Json | None:
    """``ends``: of the certificate that signs it."""
    mail = core.served.get(MAIL)
    if not isinstance(mail, MailConnector) or not isinstance(mail.trust, Trust):
        return None
    trust, found = mail.trust, mail.trust.list
    trouble = trust.trouble or next(iter(trust.revocation.troubles.values()), "")
    if found is None:
        return {
            "name": "mail", "size": 0, "number": None, "confirmed": None, "ends": None,
            "trouble": trouble or "list_missing", "held": trust.held,
        }  # fmt: skip
    return {
        "name": "mail", "size": len(found.domains), "number": None, "confirmed": trust.confirmed_at,
        "ends": None if found.signer is None else found.signer.not_valid_after_utc.timestamp(),
        "trouble": trouble or ("list_stale" if trust.old else ""), "held": trust.held,
    }  # fmt: skip
