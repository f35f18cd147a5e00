"""Pure: the registration that makes a homeserver talk to the hub (application service API, "Registration")."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import yaml

from appservice.process.settings import MatrixSettings


def registration(
    settings: MatrixSettings, as_token: str, hs_token: str, sender_localpart: str | None = None
) -> dict[str, Any]:
    """The registration as a mapping. Raises ValueError if the sender would be a ghost.

    The sender is a random user that is never used: ``/sync`` answers 500 for it.
    The namespaces take every look-alike of a ghost too, so that nobody can register one.
    """
    sender = sender_localpart or settings.sender_localpart or _sender_of(as_token)
    prefixes = settings.ghost_prefix, settings.mail_ghost_prefix
    if sender.startswith(prefixes):
        raise ValueError("the sender must not be inside the ghosts' namespaces")
    server = re.escape(settings.server_name)
    users = [{"exclusive": True, "regex": f"@{re.escape(prefix)}.*:{server}"} for prefix in prefixes]
    return {
        "id": settings.id,
        "url": settings.address,
        "as_token": as_token,
        "hs_token": hs_token,
        "sender_localpart": sender,
        "rate_limited": False,
        "namespaces": {"users": users, "aliases": [], "rooms": []},
        "receive_ephemeral": True,
        "org.matrix.msc3202": True,
        "io.element.msc4190": True,
    }


def _sender_of(as_token: str) -> str:
    """A localpart that nobody uses, the same each time the registration is printed."""
    return f"liaison-{hashlib.sha256(as_token.encode()).hexdigest()[:16]}"


def registration_yaml(settings: MatrixSettings) -> str:
    """The registration file of a configured hub. Raises BadConfig if a token's file cannot be used."""
    return to_yaml(registration(settings, settings.read_as_token(), settings.read_hs_token()))


def to_yaml(mapping: dict[str, Any]) -> str:
    """The registration as the file that the homeserver reads."""
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)
